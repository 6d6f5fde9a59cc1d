"""StackRec (SIGIR'21): its tables and figures, a module each."""
