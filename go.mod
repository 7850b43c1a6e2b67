module phios

go 1.26
