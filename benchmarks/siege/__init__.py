"""The Siege report: phttpd and a sequential server under Siege, as tables, graphs and a reading."""
