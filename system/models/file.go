package models

import "phios/abi"

// mapFile answers AIMapModel.
func (c *call) mapFile() abi.Status { return abi.StatusUnsupported }
