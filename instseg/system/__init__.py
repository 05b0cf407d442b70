"""The machine: processes, atomic writes, memory, devices, reading ahead."""
