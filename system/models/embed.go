package models

import (
	"encoding/binary"
	"math"
	"strings"

	"phios/abi"
	"phios/api/inference"
)

// embed answers AIEmbed: texts with a zero byte between each two come in, and
// rows of numbers go out.
func (c *call) embed() abi.Status {
	if c.flags != 0 {
		return abi.StatusBadArgument
	}
	if status := c.loadable(); !status.OK() {
		return status
	}
	texts := strings.Split(string(c.body), "\x00")
	ctx, done := c.s.attend(c.port.Bill(), c.deadline, nil)
	defer done()
	made, err := c.s.c.Service.Embed(ctx, c.account(), &inference.EmbedRequest{Model: c.model.name, Texts: texts})
	if err != nil {
		return c.refuse(ctx, err)
	}
	width := 0
	var body []byte
	for _, v := range made.Vectors {
		width = len(v)
		for _, x := range v {
			body = binary.LittleEndian.AppendUint32(body, math.Float32bits(x))
		}
	}
	return c.answer(body, uint32(count(width)), tokensOf(&made.Usage))
}

// selectDevice answers AISelectDevice.
func (c *call) selectDevice() abi.Status {
	if c.s.c.Select == nil {
		return abi.StatusUnsupported
	}
	var want inference.Constraints
	if status := c.parse(&want); !status.OK() {
		return status
	}
	d, err := c.s.c.Select(c.account(), c.model.name, want)
	if err != nil {
		c.tell(err)
		return statusOf(err)
	}
	loaded := uint32(0)
	if d.Loaded {
		loaded = 1
	}
	return c.answer([]byte(d.Unit), loaded, uint64(max(d.First, 0)))
}
