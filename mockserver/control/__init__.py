"""The control API: what moves clocks, switches scenarios on and reads the journal. Described by openapi.yaml."""
