"""Where pictures come from: one port, a module for each kind of camera, and the thread that reads one."""
