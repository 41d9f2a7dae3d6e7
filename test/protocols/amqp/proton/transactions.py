# A stock client (Qpid Proton) that sends in a transaction, then moves what it sent to another queue: rolled back first,
# committed then. Prints what it is told. Arguments: URL, number of messages, 1 to settle before the discharge.

import sys
from proton import Message
from proton.handlers import MessagingHandler, TransactionHandler
from proton.reactor import Container


class Mover(MessagingHandler, TransactionHandler):
    def __init__(self, url, count, early):
        super().__init__(prefetch=0, auto_accept=False)
        self.url, self.count, self.early = url, count, early
        self.steps = ["send", "move and roll back", "move"]
        self.moved = 0

    def on_start(self, event):
        self.container = event.container
        self.connection = event.container.connect(self.url, reconnect=False)
        self.to_q = event.container.create_sender(self.connection, "q")
        self.to_p = event.container.create_sender(self.connection, "p")
        self.from_q = event.container.create_receiver(self.connection, "q")
        self.declare()

    def declare(self):
        self.container.declare_transaction(self.connection, handler=self, settle_before_discharge=self.early)

    def on_transaction_declared(self, event):
        self.transaction = event.transaction
        if self.steps[0] == "send":
            for number in range(self.count):
                self.transaction.send(self.to_q, Message(body=number))
            self.transaction.commit()
        else:
            self.moved = 0
            self.from_q.flow(self.count)

    def on_message(self, event):
        self.transaction.accept(event.delivery)
        self.transaction.send(self.to_p, event.message)
        self.moved += 1
        if self.moved < self.count:
            return
        if self.steps[0] == "move":
            self.transaction.commit()
        else:
            self.transaction.abort()

    def next(self, what):
        print(f"{self.steps.pop(0)}: {what}", flush=True)
        if self.steps:
            self.declare()
        else:
            self.connection.close()

    def on_transaction_declare_failed(self, event):
        self.next("declare failed")

    def on_transaction_committed(self, event):
        self.next("committed")

    def on_transaction_commit_failed(self, event):
        self.next("commit failed")

    def on_transaction_aborted(self, event):
        self.next("rolled back")

    def on_link_error(self, event):
        print(f"link: {event.link.remote_condition}", flush=True)


Container(Mover(sys.argv[1], int(sys.argv[2]), sys.argv[3] == "1")).run()
