// What Qpid JMS does with a pair beyond its own tests: the features of JMS 2.0, and a kill -9 in the middle of each way to work.

package org.apache.qpid.jms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.URI;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

import jakarta.jms.CompletionListener;
import jakarta.jms.Connection;
import jakarta.jms.DeliveryMode;
import jakarta.jms.JMSException;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.MessageProducer;
import jakarta.jms.Queue;
import jakarta.jms.QueueBrowser;
import jakarta.jms.Session;
import jakarta.jms.TextMessage;
import jakarta.jms.Topic;
import jakarta.jms.TransactionRolledBackException;

import org.apache.qpid.jms.support.AmqpTestSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
public class LockstepTest extends AmqpTestSupport {

    /** The settings of docs/clients.md. */
    private static final String SETTINGS = "?failover.maxReconnectAttempts=-1&failover.reconnectDelay=10"
        + "&failover.maxReconnectDelay=200&failover.warnAfterReconnectAttempts=100&failover.nested.amqp.idleTimeout=3000";

    private Connection open(String clientId, String more) throws Exception {
        Connection made = createAmqpConnection(new URI(getAmqpFailoverURI() + SETTINGS + more));
        if (clientId != null) made.setClientID(clientId);
        made.start();
        return made;
    }

    private Session session() throws Exception {
        return open(null, "").createSession(false, Session.AUTO_ACKNOWLEDGE);
    }

    private static String textOf(Message message) throws Exception {
        assertNotNull(message, "a message");
        return ((TextMessage) message).getText();
    }

    private static List<String> drain(MessageConsumer consumer) throws Exception {
        List<String> texts = new ArrayList<>();
        for (Message next = consumer.receive(5000); next != null; next = consumer.receive(500)) texts.add(textOf(next));
        return texts;
    }

    private static List<String> numbers(int from, int to) {
        List<String> all = new ArrayList<>();
        for (int i = from; i < to; i++) all.add(String.valueOf(i));
        return all;
    }

    @Test
    public void delayedDelivery() throws Exception {
        Session session = session();
        Queue queue = session.createQueue(testMethodName);
        MessageProducer producer = session.createProducer(queue);
        producer.setDeliveryDelay(2500);
        long sent = System.currentTimeMillis();
        producer.send(session.createTextMessage("later"));
        restartPrimaryBroker();
        Message got = session.createConsumer(queue).receive(20_000);
        assertEquals("later", textOf(got));
        assertTrue(System.currentTimeMillis() >= sent + 2500, "not before its time");
        assertTrue(got.getJMSDeliveryTime() >= sent + 2500);
    }

    @Test
    public void sharedDurableSubscription() throws Exception {
        Session one = session();
        Session two = session();
        Topic topic = one.createTopic(testMethodName);
        MessageConsumer first = one.createSharedDurableConsumer(topic, "all");
        MessageConsumer second = two.createSharedDurableConsumer(topic, "all");
        MessageProducer producer = one.createProducer(topic);
        for (String text : numbers(0, 10)) producer.send(one.createTextMessage(text));
        restartPrimaryBroker();
        for (String text : numbers(10, 20)) producer.send(one.createTextMessage(text));
        TreeSet<String> got = new TreeSet<>(drain(first));
        got.addAll(drain(second));
        assertEquals(new TreeSet<>(numbers(0, 20)), got);
        first.close();
        producer.send(one.createTextMessage("kept"));
        second.close();
        assertEquals("kept", textOf(two.createSharedDurableConsumer(topic, "all").receive(5000)));
        two.close();
        one.unsubscribe("all");
        assertEquals(0, getProxyToBroker().getInactiveDurableTopicSubscribers().length);
    }

    @Test
    public void sharedSubscription() throws Exception {
        Session one = session();
        Topic topic = one.createTopic(testMethodName);
        MessageConsumer first = one.createSharedConsumer(topic, "group");
        MessageConsumer second = session().createSharedConsumer(topic, "group");
        MessageConsumer alone = one.createConsumer(topic);
        MessageProducer producer = one.createProducer(topic);
        for (String text : numbers(0, 20)) producer.send(one.createTextMessage(text));
        List<String> shared = drain(first);
        int half = shared.size();
        shared.addAll(drain(second));
        assertTrue(half > 0 && half < 20, half + " of 20");
        assertEquals(new TreeSet<>(numbers(0, 20)), new TreeSet<>(shared));
        assertEquals(20, shared.size());
        assertEquals(numbers(0, 20), drain(alone));
    }

    @Test
    public void durableSubscriptionOfAClientThatIsAway() throws Exception {
        Connection client = open("client-" + testMethodName, "");
        Session session = client.createSession(false, Session.AUTO_ACKNOWLEDGE);
        Topic topic = session.createTopic(testMethodName);
        session.createDurableSubscriber(topic, "mine", "kind = 'a'", false);
        client.close();
        Session other = session();
        MessageProducer producer = other.createProducer(topic);
        for (String kind : List.of("a", "b", "a")) {
            TextMessage message = other.createTextMessage(kind);
            message.setStringProperty("kind", kind);
            producer.send(message);
        }
        restartPrimaryBroker();
        session = open("client-" + testMethodName, "").createSession(false, Session.AUTO_ACKNOWLEDGE);
        assertEquals(List.of("a", "a"), drain(session.createDurableSubscriber(topic, "mine", "kind = 'a'", false)));
    }

    @Test
    public void noLocal() throws Exception {
        Session own = session();
        Topic topic = own.createTopic(testMethodName);
        MessageConsumer consumer = own.createConsumer(topic, null, true);
        Session other = session();
        own.createProducer(topic).send(own.createTextMessage("own"));
        other.createProducer(topic).send(other.createTextMessage("other"));
        assertEquals(List.of("other"), drain(consumer));
    }

    @Test
    public void priorityTimeToLiveAndBrowsing() throws Exception {
        Session session = session();
        Queue queue = session.createQueue(testMethodName);
        MessageProducer producer = session.createProducer(queue);
        producer.send(session.createTextMessage("gone"), DeliveryMode.PERSISTENT, 4, 200);
        for (int priority : new int[] {1, 9, 5}) {
            TextMessage message = session.createTextMessage("p" + priority);
            message.setIntProperty("n", priority);
            producer.send(message, DeliveryMode.PERSISTENT, priority, 0);
        }
        Thread.sleep(300);
        QueueBrowser browser = session.createBrowser(queue, "n > 4");
        List<String> seen = new ArrayList<>();
        for (var all = browser.getEnumeration(); all.hasMoreElements();) seen.add(textOf((Message) all.nextElement()));
        browser.close();
        assertEquals(List.of("p9", "p5"), seen);
        assertEquals(List.of("p9", "p5", "p1"), drain(session.createConsumer(queue)));
    }

    @Test
    public void deadLettersByTheRedeliveryPolicy() throws Exception {
        Connection policed = open(null, "&jms.redeliveryPolicy.maxRedeliveries=2&jms.redeliveryPolicy.outcome=REJECTED");
        Session session = policed.createSession(true, Session.SESSION_TRANSACTED);
        Queue queue = session.createQueue(testMethodName);
        sendMessages(policed, queue, 1);
        MessageConsumer consumer = session.createConsumer(queue);
        for (int delivery = 1; delivery <= 3; delivery++) {
            Message message = consumer.receive(5000);
            assertEquals(delivery, message.getIntProperty("JMSXDeliveryCount"));
            assertEquals(delivery > 1, message.getJMSRedelivered());
            session.rollback();
        }
        assertNull(consumer.receive(500));
        Message dead = session().createConsumer(session.createQueue("ActiveMQ.DLQ")).receive(5000);
        assertEquals(1, dead.getIntProperty(MESSAGE_NUMBER));
    }

    @Test
    public void asynchronousSends() throws Exception {
        Session session = session();
        Queue queue = session.createQueue(testMethodName);
        MessageProducer producer = session.createProducer(queue);
        int count = 2000;
        CountDownLatch done = new CountDownLatch(count);
        List<Exception> failures = java.util.Collections.synchronizedList(new ArrayList<>());
        for (int i = 0; i < count; i++) {
            if (i == count / 2) restartPrimaryBroker();
            producer.send(session.createTextMessage(String.valueOf(i)), new CompletionListener() {
                @Override
                public void onCompletion(Message message) {
                    done.countDown();
                }

                @Override
                public void onException(Message message, Exception exception) {
                    failures.add(exception);
                    done.countDown();
                }
            });
        }
        assertTrue(done.await(60, TimeUnit.SECONDS));
        TreeSet<String> got = new TreeSet<>(drain(session().createConsumer(queue)));
        // What completed is there; what did not was told so.
        assertTrue(got.size() >= count - failures.size(), got.size() + " there, " + failures.size() + " failed");
        System.out.println("asynchronous sends: " + count + ", told as failed: " + failures.size() + ", there: " + got.size());
    }

    /** Sends one by one; the longest time that one takes is what an application sees of a failover. */
    @Test
    public void sendsOverAKill() throws Exception {
        Session session = session();
        Queue queue = session.createQueue(testMethodName);
        MessageProducer producer = session.createProducer(queue);
        int count = 2000;
        Thread killer = new Thread(() -> {
            try {
                restartPrimaryBroker();
            } catch (Exception e) {
                exceptions.add(e);
            }
        });
        long longest = 0;
        for (int i = 0; i < count; i++) {
            if (i == count / 2) killer.start();
            TextMessage message = session.createTextMessage(String.valueOf(i));
            message.setStringProperty("_AMQ_DUPL_ID", testMethodName + i);
            long before = System.nanoTime();
            producer.send(message);
            longest = Math.max(longest, System.nanoTime() - before);
        }
        killer.join();
        assertTrue(exceptions.isEmpty(), exceptions.toString());
        assertEquals(numbers(0, count), drain(session().createConsumer(queue)), "each once, in order");
        System.out.println("longest send over a kill -9: " + TimeUnit.NANOSECONDS.toMillis(longest) + " ms");
    }

    @Test
    public void acknowledgedByTheClient() throws Exception {
        Session session = open(null, "").createSession(false, Session.CLIENT_ACKNOWLEDGE);
        Queue queue = session.createQueue(testMethodName);
        sendMessages(opened.get(0), queue, 6);
        MessageConsumer consumer = session.createConsumer(queue);
        Message last = null;
        for (int i = 0; i < 3; i++) last = consumer.receive(5000);
        last.acknowledge();
        for (int i = 0; i < 2; i++) assertNotNull(consumer.receive(5000));
        restartPrimaryBroker();
        // An acknowledgement that was on its way when the server died counts for nothing.
        TreeSet<Integer> again = new TreeSet<>();
        for (Message next = consumer.receive(10_000); next != null; next = consumer.receive(500)) {
            again.add(next.getIntProperty(MESSAGE_NUMBER));
            next.acknowledge();
        }
        assertTrue(again.containsAll(List.of(4, 5, 6)), again.toString());
    }

    /** Moves messages on in transactions while a server dies: each arrives once, and none is left. */
    @Test
    public void transactionsOverAKill() throws Exception {
        Session session = open(null, "").createSession(true, Session.SESSION_TRANSACTED);
        Queue from = session.createQueue(testMethodName);
        Queue to = session.createQueue(testMethodName + "-moved");
        int count = 100;
        sendMessages(open(null, ""), from, count);
        MessageConsumer consumer = session.createConsumer(from);
        MessageProducer producer = session.createProducer(to);
        int rolledBack = 0;
        for (int moved = 0; moved < count;) {
            try {
                Message message = consumer.receive(10_000);
                if (message == null) break;
                TextMessage copy = session.createTextMessage(textOf(message));
                // A commit whose answer was lost may have happened.
                copy.setStringProperty("_AMQ_DUPL_ID", testMethodName + message.getIntProperty(MESSAGE_NUMBER));
                producer.send(copy);
                if (moved == count / 2 && rolledBack == 0) restartPrimaryBroker();
                session.commit();
                moved++;
            } catch (TransactionRolledBackException e) {
                rolledBack++;
            } catch (JMSException e) {
                rolledBack++;
                session.rollback();
            }
        }
        assertTrue(rolledBack > 0, "the transaction that was open is told as rolled back");
        Map<String, Integer> times = new HashMap<>();
        for (String text : drain(session().createConsumer(to))) times.merge(text, 1, Integer::sum);
        assertEquals(count, times.size());
        assertFalse(times.values().stream().anyMatch(n -> n > 1), "each once: " + times);
        assertEquals(0, getProxyToQueue(testMethodName).getQueueSize());
    }

    @Test
    public void requestAndReply() throws Exception {
        Session asking = session();
        Session answering = session();
        Queue queue = asking.createQueue(testMethodName);
        Queue replies = asking.createTemporaryQueue();
        MessageConsumer requests = answering.createConsumer(queue);
        MessageConsumer answers = asking.createConsumer(replies);
        for (int i = 0; i < 2; i++) {
            TextMessage request = asking.createTextMessage("ask " + i);
            request.setJMSReplyTo(replies);
            asking.createProducer(queue).send(request);
            Message got = requests.receive(10_000);
            TextMessage answer = answering.createTextMessage("answer to " + textOf(got));
            answer.setJMSCorrelationID(got.getJMSMessageID());
            answering.createProducer(got.getJMSReplyTo()).send(answer);
            Message back = answers.receive(10_000);
            assertEquals("answer to ask " + i, textOf(back));
            assertEquals(request.getJMSMessageID(), back.getJMSCorrelationID());
        }
    }
}
