# Moves messages from one queue to another with Qpid Proton, five in a transaction, with both addresses of a pair, until the
# first queue is empty. When the connection breaks it begins anew on the other address, and asks nothing: what of an
# unanswered commit came through is in the second queue, and nothing else is. Argument: JSON with urls, source, target.

import json
import sys
import time

from proton import Message
from proton.handlers import MessagingHandler, TransactionHandler
from proton.reactor import Container

TOGETHER = 5
wish = json.loads(sys.argv[1])
committed = 0
finished = False


def say(*words):
    print(*words, flush=True)


class Mover(MessagingHandler, TransactionHandler):
    def __init__(self, url):
        super().__init__(prefetch=0, auto_accept=False)
        self.url = url
        self.transaction = None
        self.taken = 0

    def on_start(self, event):
        self.container = event.container
        self.connection = event.container.connect(self.url, reconnect=False)
        self.sender = event.container.create_sender(self.connection, wish["target"])
        self.receiver = event.container.create_receiver(self.connection, wish["source"])
        self.declare()

    def declare(self):
        self.container.declare_transaction(self.connection, handler=self)

    def on_transaction_declared(self, event):
        self.transaction = event.transaction
        self.taken = 0
        self.receiver.drain(TOGETHER)

    def on_message(self, event):
        self.transaction.accept(event.delivery)
        self.transaction.send(self.sender, event.message)
        self.taken += 1

    # The receiver's credit is used up, or there was no more.
    def on_link_flow(self, event):
        global finished
        if event.receiver is None or self.transaction is None or self.receiver.credit > 0:
            return
        transaction, self.transaction = self.transaction, None
        finished = self.taken == 0
        transaction.commit()

    def on_transaction_committed(self, event):
        global committed
        committed += self.taken
        say("moved", committed)
        if finished:
            self.connection.close()
        else:
            self.declare()

    def on_disconnected(self, event):
        say("disconnected")
        event.container.stop()


at = 0
while not finished:
    try:
        Container(Mover(wish["urls"][at % 2])).run()
    except OSError:
        pass
    at += 1
    time.sleep(0.05)
