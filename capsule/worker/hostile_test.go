package worker

const (
	hostileVerb = "test-hostile"
	pongVerb    = "test-pong"
)

func hostile() int { return 0 }
func pong()        {}
