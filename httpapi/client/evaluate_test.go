package client_test

import (
	"errors"
	"testing"

	"github.com/patchsource/patchsource/httpapi/client"
	"github.com/patchsource/patchsource/patch"
)

func TestEvaluate(t *testing.T) {
	ctx, c := t.Context(), connect(t)
	def := definition("App", "1")
	if _, err := c.Create(ctx, def); err != nil {
		t.Fatal(err)
	}
	computers := []patch.Computer{{Name: "a"}, {Name: "b", Applications: []patch.InstalledApplication{}}}
	results, err := c.Evaluate(ctx, "App", computers)
	if err != nil || len(results) != 2 || results[1].Name != "b" || len(results[1].Why) == 0 {
		t.Errorf("Evaluate returned %+v, %v", results, err)
	}
	if _, err := c.Evaluate(ctx, "Nope", nil); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("Evaluate of no title returned %v, want ErrNotFound", err)
	}
	data, err := def.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if results, err := c.EvaluateDefinition(ctx, data, computers); err != nil || len(results) != 2 {
		t.Errorf("EvaluateDefinition returned %+v, %v", results, err)
	}
}
