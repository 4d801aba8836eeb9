module github.com/seed-28af575d/eventbus/integration

go 1.26.0

replace github.com/seed-28af575d/eventbus => ../
