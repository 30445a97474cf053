"""A person at a terminal: runs a program on one of 24 x 120, waits for words on the screen, resizes, presses keys.

  terminal.py STEPS PROGRAM...   STEPS: JSON list of ["see", TEXT], ["key", KEYS], ["resize", ROWS, COLUMNS], ["signal", NAME], ["stopped"]
PROGRAM is a path. Prints {"status": exit code or -signal, "restored": are the terminal's modes what they were, "output": all that was written}.
"""
import fcntl, json, os, pty, re, select, signal, struct, sys, termios, time

LIMIT = 20


def size(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def start(slave, argv):
    """The program in the foreground of a session of its own, its parent a shell's stand-in; its pid, and where its status will be."""
    told, tell = os.pipe()
    if os.fork() == 0:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        pid = os.fork()
        if pid == 0:
            os.setpgid(0, 0)
            os.tcsetpgrp(slave, os.getpid())
            signal.signal(signal.SIGTTOU, signal.SIG_DFL)
            for fd in range(3):
                os.dup2(slave, fd)
            os.execv(argv[0], argv)
        os.write(tell, struct.pack("i", pid))
        _, status = os.waitpid(pid, 0)
        os.write(tell, struct.pack("i", os.waitstatus_to_exitcode(status)))
        os._exit(0)
    return struct.unpack("i", os.read(told, 4))[0], told


def main(steps, argv):
    master, slave = pty.openpty()
    size(master, 24, 120)
    before = termios.tcgetattr(slave)
    pid, ended = start(slave, argv)
    output, seen = "", 0

    def read(wait):
        nonlocal output
        while select.select([master], [], [], wait)[0]:
            output += os.read(master, 65536).decode()
            wait = 0

    for step, *args in steps:
        end = time.monotonic() + LIMIT
        if step == "see":
            while not (found := re.compile(args[0]).search(output, seen)):
                read(0.1)
                if time.monotonic() > end:
                    os.kill(pid, signal.SIGKILL)
                    sys.exit(f"{args[0]} was not shown:\n{output[seen:]}")
            seen = found.end()
        elif step == "key":
            os.write(master, args[0].encode())
        elif step == "resize":
            size(master, *args)
        elif step == "signal":
            os.kill(pid, getattr(signal, args[0]))
        elif step == "stopped":
            while open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] != "T":
                read(0.1)
                if time.monotonic() > end:
                    os.kill(pid, signal.SIGKILL)
                    sys.exit("it was not stopped")
            if termios.tcgetattr(slave) != before:
                os.kill(pid, signal.SIGKILL)
                sys.exit("a stopped program has left the terminal in its modes")
    end = time.monotonic() + LIMIT
    while not select.select([ended], [], [], 0)[0] and time.monotonic() < end:
        read(0.1)
    if not select.select([ended], [], [], 0)[0]:
        os.kill(pid, signal.SIGKILL)
    read(0.1)
    status = struct.unpack("i", os.read(ended, 4))[0]
    print(json.dumps({"status": status, "restored": termios.tcgetattr(slave) == before, "output": output}))


main(json.loads(sys.argv[1]), sys.argv[2:])
