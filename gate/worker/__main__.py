"""`python -m so8t.gate.worker`: the child process of so8t.gate.worker.Worker. Not for people."""

from so8t.gate.worker.child import main

main()
