// Command demo shows the life of an app on a real Nomad. It declares the app with
// Terraform and starts it by a first request. The app grows under load, shrinks and goes
// to zero. Then the demo changes the policy by hand, lets Terraform correct it, and
// destroys the app. It fails unless it sees every step, and leaves nothing running.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	keep := flag.Bool("keep", false, "before the last step, print the addresses and wait for an interrupt")
	sandboxOnly := flag.Bool("sandbox", false, "only start the sandbox, print how to use it and wait for an interrupt")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, *keep, *sandboxOnly); err != nil {
		fmt.Fprintln(os.Stderr, "\nThe demo failed:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, keep, sandboxOnly bool) (err error) {
	dir, err := os.MkdirTemp("", "demo")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	say("Starting Nomad, and the gateway and the autoscaler as its jobs")
	c, err := startCluster(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Stop()) }()
	if sandboxOnly {
		c.printUsage()
		<-ctx.Done()
		return nil
	}
	tf, err := newTerraform(ctx, c)
	if err != nil {
		return err
	}
	d := &demo{cluster: c, terraform: tf}

	watching, stopWatching := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		c.watch(watching, os.Stdout)
	}()
	defer func() {
		stopWatching()
		<-watched
	}()

	for _, step := range []func(context.Context) error{
		d.declare, d.activate, d.grow, d.planAtMax, d.shrink, d.scaleToZero, d.drift,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if keep {
		say("Keeping everything running until interrupted:\n  Nomad    %s\n  app      %s\n  gateway  %s/v1/apps", c.Agent.Address, c.url(), c.Admin)
		<-ctx.Done()
		ctx = context.WithoutCancel(ctx)
	}
	if err := d.destroy(ctx); err != nil {
		return err
	}
	stopWatching()
	<-watched
	fmt.Println("\nResults:")
	for _, result := range d.results {
		fmt.Println("  " + result)
	}
	return nil
}

// say announces a step.
func say(format string, args ...any) { fmt.Printf("\n== "+format+"\n", args...) }

// printUsage prints the lines with which a shell can use the sandbox.
func (c *cluster) printUsage() {
	say("Running until interrupted. To try the examples, run this in another terminal")
	for _, variable := range c.Environment() {
		name, value, _ := strings.Cut(variable, "=")
		fmt.Printf("export %s=\"%s\"\n", name, strings.Replace(value, os.Getenv("PATH"), "$PATH", 1))
	}
	fmt.Println("cd", c.Examples)
}

// demo has a method for each step, and keeps the results that the steps measure.
type demo struct {
	*cluster
	terraform *terraform
	results   []string
}

func (d *demo) report(format string, args ...any) {
	d.results = append(d.results, fmt.Sprintf(format, args...))
}

func (d *demo) declare(ctx context.Context) error {
	say("terraform apply declares the app; no instance runs")
	if err := d.terraform.run(ctx, "apply", "-auto-approve"); err != nil {
		return err
	}
	if desired, _, err := d.count(ctx); err != nil || desired != 0 {
		return fmt.Errorf("%d instances are desired after the apply, want 0 (%w)", desired, err)
	}
	d.report("zero instances after the apply")
	return nil
}

func (d *demo) activate(ctx context.Context) error {
	say("The first request starts the app")
	sent := time.Now()
	answer, err := d.get(ctx, "/")
	if err != nil {
		return fmt.Errorf("the first request: %w", err)
	}
	took := time.Since(sent)
	start := answer.Listening.Sub(sent)
	d.report("first request answered from zero in %s: %s until the app listened (%s of it the app's own start), %s in the gateway",
		ms(took), ms(start), ms(answer.Listening.Sub(answer.Started)), ms(took-start))
	return nil
}

func (d *demo) grow(ctx context.Context) error {
	say("Load scales it up to its maximum")
	began := time.Now()
	d.startLoad(ctx, "20s", 12, 2)
	if err := d.await(ctx, time.Minute, "the maximum desired and running", func(desired, running int) bool {
		return desired == maxInstances && running == maxInstances
	}); err != nil {
		return err
	}
	d.report("%d instances running %s after the load began", maxInstances, ms(time.Since(began)))
	return nil
}

func (d *demo) planAtMax(ctx context.Context) error {
	say("terraform plan -detailed-exitcode: no changes, although the count has changed")
	changes, err := d.terraform.plan(ctx)
	if err != nil {
		return err
	}
	if changes != nil {
		return fmt.Errorf("the plan at the maximum shows changes: %s", strings.Join(changes, ", "))
	}
	d.report("the plan is empty at %d instances", maxInstances)
	return nil
}

func (d *demo) shrink(ctx context.Context) error {
	if err := d.awaitLoad(); err != nil {
		return err
	}
	say("Less load scales it down, while requests are in flight")
	d.startLoad(ctx, "60s", 2, 1)
	if err := d.await(ctx, 2*time.Minute, "fewer instances desired", func(desired, _ int) bool {
		return desired > 0 && desired < maxInstances
	}); err != nil {
		return err
	}
	if err := d.awaitLoad(); err != nil {
		return err
	}
	d.report("%d requests while it scaled up and down, 0 failed", d.answered)
	return nil
}

func (d *demo) scaleToZero(ctx context.Context) error {
	say("Without load it goes to zero")
	began := time.Now()
	if err := d.await(ctx, 3*time.Minute, "zero instances", func(desired, running int) bool {
		return desired == 0 && running == 0
	}); err != nil {
		return err
	}
	d.report("zero instances %s after the last request (60 s for the trailing minute, 20 s for stop_after_inactive)", ms(time.Since(began)))
	return nil
}

func (d *demo) drift(ctx context.Context) error {
	say("scale_up_threshold is changed by hand, and terraform plan shows the change")
	if err := d.changeManually(ctx, "scale_up_threshold", "0.5"); err != nil {
		return err
	}
	changes, err := d.terraform.plan(ctx)
	if err != nil {
		return err
	}
	const want = "autoscaling.scale_up_threshold: 0.5 -> 0.8"
	if len(changes) != 1 || changes[0] != want {
		return fmt.Errorf("the plan shows [%s], want only %s", strings.Join(changes, ", "), want)
	}
	d.report("the plan shows the change by hand and nothing else: %s", want)
	if err := d.terraform.run(ctx, "apply", "-auto-approve"); err != nil {
		return err
	}
	if changes, err = d.terraform.plan(ctx); err != nil || changes != nil {
		return fmt.Errorf("after the apply the plan shows %v (%w)", changes, err)
	}
	d.report("the apply corrects it: the next plan is empty")
	return nil
}

func (d *demo) destroy(ctx context.Context) error {
	say("terraform destroy removes the app")
	if err := d.terraform.run(ctx, "destroy", "-auto-approve"); err != nil {
		return err
	}
	if _, _, err := d.count(ctx); err == nil {
		return errors.New("the job is still there after the destroy")
	}
	d.report("nothing is left after the destroy")
	return nil
}

// ms formats a duration in whole milliseconds.
func ms(d time.Duration) string { return d.Round(time.Millisecond).String() }
