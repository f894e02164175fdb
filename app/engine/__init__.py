"""The orchestrator: owns every task and child process, and decides from committed state only."""
