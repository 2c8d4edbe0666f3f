package sandbox

import (
	"fmt"
	"regexp"
	"strconv"
)

// Blocks returns the fenced code blocks of a language in a Markdown text, in order.
func Blocks(markdown, language string) (blocks []string) {
	fenced := regexp.MustCompile("(?ms)^```" + regexp.QuoteMeta(language) + "\n(.*?)^```$")
	for _, block := range fenced.FindAllStringSubmatch(markdown, -1) {
		blocks = append(blocks, block[1])
	}
	return blocks
}

var (
	answers  = regexp.MustCompile(`(?m)^\s+\[(\d+)\]\s+(\d+) responses`)
	failures = regexp.MustCompile(`(?s)Error distribution:(.*)`)
)

// Answered counts the responses in hey's output. A status other than 200 is an error.
func Answered(printed string) (answered int, err error) {
	if failed := failures.FindStringSubmatch(printed); failed != nil {
		return 0, fmt.Errorf("requests failed:%s", failed[1])
	}
	for _, line := range answers.FindAllStringSubmatch(printed, -1) {
		n, err := strconv.Atoi(line[2])
		if err != nil {
			return 0, err
		}
		if line[1] != "200" {
			return 0, fmt.Errorf("%d requests got status %s", n, line[1])
		}
		answered += n
	}
	if answered == 0 {
		return 0, fmt.Errorf("no request was answered:\n%s", printed)
	}
	return answered, nil
}
