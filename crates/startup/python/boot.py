# Given to the interpreter on its command line. The pipes to the server move away from where functions find
# standard input and output, so that what they print goes to the server's log.
import json, os
lines_in = os.fdopen(os.dup(0), "rb")
lines_out = os.fdopen(os.dup(1), "wb", 0)
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
os.dup2(2, 1)
start = json.loads(lines_in.readline())
space = {"lines_in": lines_in, "lines_out": lines_out, "start": start}
exec(compile(start["modules"]["_hypha_startup.main"], "<hypha startup>", "exec"), space)
