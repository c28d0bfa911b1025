"""The commands of a rehearsal: the local cloud's process, the stages, the shell, the faults and the costs."""
