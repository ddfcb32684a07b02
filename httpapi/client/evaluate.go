package client

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
)

// Evaluate returns what Jamf Pro would report for computers about a title of the server.
func (c *Client) Evaluate(ctx context.Context, title string, computers []patch.Computer) ([]wire.Evaluation, error) {
	return c.evaluate(ctx, wire.EvaluateRequest{Title: title, Computers: computers})
}

// EvaluateDefinition is like [Client.Evaluate] for a definition in JSON, which is not stored.
func (c *Client) EvaluateDefinition(
	ctx context.Context, definition []byte, computers []patch.Computer,
) ([]wire.Evaluation, error) {
	return c.evaluate(ctx, wire.EvaluateRequest{Definition: definition, Computers: computers})
}

func (c *Client) evaluate(ctx context.Context, request wire.EvaluateRequest) ([]wire.Evaluation, error) {
	if request.Computers == nil {
		request.Computers = []patch.Computer{}
	}
	body, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	var result wire.EvaluateResult
	err = c.do(ctx, call{method: http.MethodPost, path: api("evaluate"), body: body}, &result)
	return result.Computers, err
}
