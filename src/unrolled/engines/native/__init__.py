"""The native engine: any cell on the CPU, forward and backward, by a C++ core that runs programs."""
