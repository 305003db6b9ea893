"""Lines of JSON between this process and the server."""

import asyncio
import concurrent.futures
import itertools
import json
import os
import signal
import threading

from hypha import _server

# Seconds that the server may take to answer.
PATIENCE = 15


class Link:
    """`commands` are what the server wants done; `answers` has a coroutine function for each question it may ask."""

    def __init__(self, lines_in, lines_out, loop, answers):
        self.lines_in, self.lines_out, self.loop, self.answers = lines_in, lines_out, loop, answers
        self.commands = asyncio.Queue()
        self.writing = threading.Lock()
        self.numbers = itertools.count(1)
        self.waiting = {}
        self.tasks = set()
        threading.Thread(target=self.read, daemon=True, name="hypha").start()

    def send(self, message):
        """Tell the server something."""
        line = json.dumps(message).encode() + b"\n"
        with self.writing:
            self.lines_out.write(line)

    def ask(self, what, arguments):
        """Ask the server and wait, whatever the event loop is doing."""
        number = next(self.numbers)
        answer = self.waiting[number] = concurrent.futures.Future()
        try:
            self.send({"type": "ask", "id": number, "what": what, **arguments})
            reply = answer.result(PATIENCE)
        finally:
            del self.waiting[number]
        if reply.get("error") is not None:
            raise _server.Refused(reply["error"])
        return reply.get("value")

    def read(self):
        """Take in lines until the server is gone; then nothing of this process is wanted any more."""
        for line in self.lines_in:
            message = json.loads(line)
            if message["type"] == "reply":
                answer = self.waiting.get(message["id"])
                if answer:
                    answer.set_result(message)
            else:
                self.loop.call_soon_threadsafe(self.take, message)
        if os.getpgrp() == os.getpid():
            os.killpg(os.getpgrp(), signal.SIGKILL)
        os._exit(1)

    def take(self, message):
        if message["type"] == "run":
            self.commands.put_nowait(message)
            return
        task = self.loop.create_task(self.answer(message))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def answer(self, message):
        """Answer a question of the server."""
        try:
            reply = {"value": await self.answers[message["what"]](message)}
        except Exception as error:
            reply = {"error": words(error)}
        self.send({"type": "reply", "id": message["id"], **reply})


def words(error):
    """What an exception says, in one line."""
    detail = getattr(error, "detail", None)
    text = detail if isinstance(detail, str) else str(error)
    return (" ".join(text.split()) or type(error).__name__)[:500]
