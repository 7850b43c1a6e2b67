package inference

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"phios/abi"
	"phios/api/control"
	api "phios/api/inference"
	"phios/compute"
	"phios/service/inference/registry"
	"phios/system/capsules"
)

const (
	look = abi.RightInspect
	act  = abi.RightManage
)

// operations are what can be asked at the control socket.
func (n *Inference) operations() map[string]capsules.Operation {
	return map[string]capsules.Operation{
		control.OpModels: {Need: look, Do: plain(n.modelList)},
		control.OpModel:  {Need: look, Do: with(n.modelShow)},
		control.OpModelAdd: {Need: act, Do: streams(func(ctx context.Context, r control.ModelAddRequest, show func(control.ModelProgress)) (control.ModelProgress, error) {
			return n.modelAdd(ctx, r, show)
		})},
		control.OpModelPull:     {Need: act, Do: streams(n.modelPull)},
		control.OpModelQuantize: {Need: act, Do: streams(n.modelQuantize)},
		control.OpModelVerify:   {Need: look, Do: streams(n.modelVerify)},
		control.OpModelRemove:   {Need: act, Do: with(n.modelRemove)},
		control.OpModelRename:   {Need: act, Do: with(n.modelRename)},
		control.OpModelDefault:  {Need: act, Do: with(n.modelDefault)},
		control.OpModelPin:      {Need: act, Do: with(n.modelPin)},
		control.OpModelUnload:   {Need: act, Do: with(n.modelUnload)},
		control.OpModelSelect:   {Need: look, Do: with(n.modelSelect)},
		control.OpUnits:         {Need: look, Do: plain(n.unitList)},
		control.OpUnitAdd: {Need: act, Do: with(func(_ context.Context, r control.UnitAddRequest) (control.Unit, error) {
			return n.addUnit(r)
		})},
		control.OpUnitRemove: {Need: act, Do: with(func(_ context.Context, r control.UnitNamed) (control.Empty, error) {
			return control.Empty{}, n.removeUnit(r.Unit)
		})},
		control.OpKeys:   {Need: look, Do: plain(n.keys.list)},
		control.OpKeyNew: {Need: act, Do: with(n.keyNew)},
		control.OpKeyRevoke: {Need: act, Do: with(func(_ context.Context, r control.KeyNamed) (control.Key, error) {
			return n.keys.revoke(r.Key)
		})},
		control.OpGenerate: {Need: act, Do: n.generate},
		control.OpEmbed:    {Need: act, Do: with(n.embed)},
		control.OpMetrics:  {Need: look, Do: plain(func() (control.Metrics, error) { return n.metrics(), nil })},
		control.OpHealth:   {Need: act, Do: with(n.health)},
		control.OpSummary:  {Need: look, Do: plain(func() (control.Summary, error) { return n.summary(), nil })},
		control.OpHTTP: {Need: act, Do: with(func(_ context.Context, r control.HTTPRequest) (control.HTTPDoor, error) {
			return n.http(r)
		})},
	}
}

// plain answers a request without contents.
func plain[A any](do func() (A, error)) func(capsules.Exchange) (any, error) {
	return func(x capsules.Exchange) (any, error) {
		if err := x.Read(&control.Empty{}); err != nil {
			return nil, err
		}
		a, err := do()
		return a, refuse(err)
	}
}

// with answers a request of type R.
func with[R, A any](do func(context.Context, R) (A, error)) func(capsules.Exchange) (any, error) {
	return func(x capsules.Exchange) (any, error) {
		var r R
		if err := x.Read(&r); err != nil {
			return nil, err
		}
		a, err := do(x.Context(), r)
		return a, refuse(err)
	}
}

// streams answers with lines of progress before the last one.
func streams[R any](do func(context.Context, R, func(control.ModelProgress)) (control.ModelProgress, error)) func(capsules.Exchange) (any, error) {
	return func(x capsules.Exchange) (any, error) {
		var r R
		if err := x.Read(&r); err != nil {
			return nil, err
		}
		last, err := do(x.Context(), r, func(p control.ModelProgress) { x.Show(p) })
		if err != nil {
			return nil, refuse(err)
		}
		return last, nil
	}
}

func (n *Inference) http(r control.HTTPRequest) (control.HTTPDoor, error) {
	if r.Address == "" {
		return control.HTTPDoor{}, n.door.close()
	}
	url, err := n.listen(Address{Address: r.Address, Public: r.Public, Certificate: r.Certificate, Key: r.Key})
	return control.HTTPDoor{URL: url}, err
}

func bad(message, remedy string) error {
	return &control.Error{Code: control.CodeRequest, Message: message, Remedy: remedy}
}

// refuse makes an error one of the control socket's.
func refuse(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*control.Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*api.Error](err); ok {
		return &control.Error{Code: codeOf(e.Code), Message: e.Message, Remedy: e.Remedy}
	}
	code := control.CodeMachine
	switch {
	case errors.Is(err, registry.ErrUnknown):
		code = control.CodeUnknown
	case errors.Is(err, registry.ErrTaken):
		code = control.CodeExists
	case errors.Is(err, registry.ErrName), errors.Is(err, compute.ErrUnsupported), errors.Is(err, fs.ErrNotExist):
		code = control.CodeRequest
	case errors.Is(err, context.Canceled):
		code = control.CodeCancelled
	case errors.Is(err, syscall.EFBIG):
		err = fmt.Errorf("%w: this process may not write files so long: raise the limit ('ulimit -f')", err)
	}
	return &control.Error{Code: code, Message: err.Error()}
}

// codeOf is the control socket's word for a code of inference.
func codeOf(code string) string {
	switch code {
	case api.CodeNoModel:
		return control.CodeUnknown
	case api.CodeRequest:
		return control.CodeRequest
	case api.CodeDenied:
		return abi.StatusRights.Name()
	case api.CodeBudget:
		return abi.StatusBudget.Name()
	case api.CodeBusy:
		return abi.StatusBusy.Name()
	default:
		return code
	}
}
