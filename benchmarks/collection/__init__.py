"""What collection costs: requests, time under GitHub's latency and limits, own time, memory.

.venv/bin/python -m benchmarks.collection [requests latency limits cost memory steady]

`benchmarks/README.md` says what each part compares.
"""
