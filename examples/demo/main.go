// Command demo shows the whole life of an app on a real Nomad. Terraform declares
// the app, the first request starts it, and load makes it grow. It then shrinks and
// goes to zero. A change by hand shows in the plan, an apply reverts it, and a
// destroy removes the app. The demo fails unless every step succeeds, and leaves
// nothing running.
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
	keep := flag.Bool("keep", false, "before the destroy, print the addresses and keep running until interrupted")
	only := flag.Bool("sandbox", false, "only start everything, and keep running until interrupted")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, *keep, *only); err != nil {
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

	say("Starting Nomad, with the gateway and the autoscaler as jobs")
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
	for _, figure := range d.figures {
		fmt.Println("  " + figure)
	}
	return nil
}

// say announces a step.
func say(format string, args ...any) { fmt.Printf("\n== "+format+"\n", args...) }

// invite prints the commands that let another shell use the sandbox.
func (c *cluster) invite() {
	say("Running until interrupted. To try the examples, run these lines in another terminal")
	for _, variable := range c.Environment() {
		name, value, _ := strings.Cut(variable, "=")
		fmt.Printf("export %s=\"%s\"\n", name, strings.Replace(value, os.Getenv("PATH"), "$PATH", 1))
	}
	fmt.Println("cd", c.Examples)
}

// demo has the steps of the demonstration, and the figures that they measure.
type demo struct {
	*cluster
	terraform *terraform
	results   []string
}

func (d *demo) report(format string, args ...any) {
	d.results = append(d.results, fmt.Sprintf(format, args...))
}

func (d *demo) declare(ctx context.Context) error {
	say("terraform apply declares the app, which does not run yet")
	if err := d.terraform.quietly(ctx, "apply", "-auto-approve"); err != nil {
		return err
	}
	if desired, _, err := d.count(ctx); err != nil || desired != 0 {
		return fmt.Errorf("%d instances are desired after the apply, want 0 (%w)", desired, err)
	}
	d.report("zero instances after the apply")
	return nil
}

func (d *demo) wake(ctx context.Context) error {
	say("The first request starts the app")
	sent := time.Now()
	answer, err := d.get(ctx, "/")
	if err != nil {
		return fmt.Errorf("the first request: %w", err)
	}
	took := time.Since(sent)
	start := answer.Listening.Sub(sent)
	d.measured("first request answered from zero in %s: %s until the app listened (%s of it for the app's own start), %s for the gateway",
		ms(took), ms(start), ms(answer.Listening.Sub(answer.Started)), ms(took-start))
	return nil
}

func (d *demo) grow(ctx context.Context) error {
	say("Load makes the app grow to its maximum")
	began := time.Now()
	d.load(ctx, "20s", 12, 2)
	if err := d.until(ctx, time.Minute, "the maximum count to be desired and running", func(desired, running int) bool {
		return desired == maxInstances && running == maxInstances
	}); err != nil {
		return err
	}
	d.report("%d instances running %s after the load began", maxInstances, ms(time.Since(began)))
	return nil
}

func (d *demo) planAtMax(ctx context.Context) error {
	say("terraform plan -detailed-exitcode shows no changes, although the count has changed")
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
	say("Less load makes the app shrink, while requests are in flight")
	d.load(ctx, "60s", 2, 1)
	if err := d.until(ctx, 2*time.Minute, "fewer desired instances", func(desired, _ int) bool {
		return desired > 0 && desired < maxInstances
	}); err != nil {
		return err
	}
	if err := d.awaitLoad(); err != nil {
		return err
	}
	d.measured("%d requests while the app grew and shrank, 0 failed", d.answered)
	return nil
}

func (d *demo) sleep(ctx context.Context) error {
	say("Without load, the app goes to zero")
	began := time.Now()
	if err := d.await(ctx, 3*time.Minute, "zero instances", func(desired, running int) bool {
		return desired == 0 && running == 0
	}); err != nil {
		return err
	}
	d.measured("zero instances %s after the last request (60 s of it for the trailing minute, 20 s for stop_after_inactive)", ms(time.Since(began)))
	return nil
}

func (d *demo) drift(ctx context.Context) error {
	say("terraform plan shows that scale_up_threshold was changed by hand")
	if err := d.changeByHand(ctx, "scale_up_threshold", "0.5"); err != nil {
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
	d.measured("the plan shows only the change that was made by hand: %s", want)
	if err := d.terraform.quietly(ctx, "apply", "-auto-approve"); err != nil {
		return err
	}
	if changes, err = d.terraform.plan(ctx); err != nil || changes != nil {
		return fmt.Errorf("the plan after the apply shows %v (%w)", changes, err)
	}
	d.measured("the apply reverts the change: the next plan is empty")
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
