package metrics_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/patchsource/patchsource/httpapi/metrics"
)

func Example() {
	m, err := metrics.New(nil, metrics.Gauge{
		Name:  "titles",
		Help:  "Titles that are served.",
		Value: func() float64 { return 3 },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	m.Observe("/jamf/v1/software", "GET", 200, 1234, time.Millisecond) // as httpapi.Options.Observe does

	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "patchsource_titles") || strings.HasPrefix(line, "patchsource_http_requests_total") {
			fmt.Print(line)
		}
	}
	// Output:
	// patchsource_http_requests_total{method="GET",route="/jamf/v1/software",status="200"} 1
	// patchsource_titles 3
}

// A program with a registry of its own exports the metrics there.
func ExampleNew_registerer() {
	registry := prometheus.NewRegistry()
	_, err := metrics.New(registry, metrics.Gauge{Name: "titles", Value: func() float64 { return 3 }})
	if err != nil {
		fmt.Println(err)
		return
	}
	families, err := registry.Gather()
	for _, f := range families {
		fmt.Println(f.GetName(), f.GetMetric()[0].GetGauge().GetValue())
	}
	fmt.Println(err)

	_, err = metrics.New(registry)
	fmt.Println(err)
	// Output:
	// patchsource_titles 3
	// <nil>
	// metrics: duplicate metrics collector registration attempted
}
