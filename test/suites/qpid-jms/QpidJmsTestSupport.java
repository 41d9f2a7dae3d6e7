// What Qpid JMS's interoperability tests stand on, in place of their own class of this name, which starts an ActiveMQ broker: a
// pair that test/suites/qpid-jms.ts has started, and asks and does things to over HTTP (control.java).

package org.apache.qpid.jms.support;

import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.Vector;

import jakarta.jms.Connection;
import jakarta.jms.Destination;
import jakarta.jms.MessageProducer;
import jakarta.jms.Session;
import jakarta.jms.TextMessage;

import org.apache.activemq.broker.BrokerService;
import org.apache.activemq.broker.jmx.BrokerViewMBean;
import org.apache.activemq.broker.jmx.QueueViewMBean;
import org.apache.activemq.broker.jmx.TopicViewMBean;
import org.apache.qpid.jms.JmsConnectionFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.TestInfo;
import org.opentest4j.TestAbortedException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

public class QpidJmsTestSupport {

    public static final String MESSAGE_NUMBER = "MessageNumber";

    protected static final Logger LOG = LoggerFactory.getLogger(QpidJmsTestSupport.class);
    protected BrokerService brokerService;
    protected final List<BrokerService> brokers = new ArrayList<>();
    protected final Vector<Throwable> exceptions = new Vector<>();
    protected int numberOfMessages;
    protected Connection connection;
    protected final List<Connection> opened = new ArrayList<>();
    /** A name of its own for each run: all tests share the pair. */
    protected String testMethodName;

    @BeforeEach
    public void setUp(TestInfo info) throws Exception {
        testMethodName = info.getTestMethod().get().getName() + "-" + System.nanoTime();
        exceptions.clear();
        startPrimaryBroker();
        numberOfMessages = 2000;
    }

    @AfterEach
    public void tearDown() throws Exception {
        if (connection != null) connection.close();
        // A test that failed left some open, which would count in those after it.
        for (Connection each : opened) each.close();
        opened.clear();
        Control.ask("/tidy");
    }

    public String getDestinationName() {
        return testMethodName;
    }

    protected String getTestName() {
        return getClass().getSimpleName() + "." + testMethodName;
    }

    protected boolean isPersistent() {
        return false;
    }

    protected boolean isForceAsyncSends() {
        return false;
    }

    protected boolean isForceSyncSends() {
        return false;
    }

    protected boolean isForceAsyncAcks() {
        return false;
    }

    public void startPrimaryBroker() throws Exception {
        brokerService = new BrokerService();
        brokerService.start();
    }

    /** kill -9 of the broker that serves: the other server takes over. Where both were stopped they start again. */
    public void restartPrimaryBroker() throws Exception {
        Control.ask("/restart");
    }

    /** Nobody serves any more. */
    public void stopPrimaryBroker() throws Exception {
        Control.ask("/stop");
    }

    public void startNewBroker() throws Exception {
        throw new TestAbortedException("a second broker with messages of its own is not what a pair is");
    }

    public void stopBroker(BrokerService broker) throws Exception {
        stopPrimaryBroker();
    }

    public List<URI> getBrokerURIs() throws Exception {
        List<URI> all = new ArrayList<>();
        for (String port : Control.ports()) all.add(new URI("amqp://127.0.0.1:" + port));
        return all;
    }

    public javax.jms.Connection createActiveMQConnection() throws Exception {
        throw new TestAbortedException("asks for ActiveMQ's own client");
    }

    public void sendMessages(Connection of, Destination destination, int count) throws Exception {
        Session session = of.createSession(false, Session.AUTO_ACKNOWLEDGE);
        MessageProducer producer = session.createProducer(destination);
        for (int i = 1; i <= count; i++) {
            TextMessage message = session.createTextMessage("TextMessage: " + i);
            message.setIntProperty(MESSAGE_NUMBER, i);
            producer.send(message);
        }
        session.close();
    }

    /** ActiveMQ's client sends here in the original; what counts is that there are so many messages. */
    protected void sendToAmqQueue(int count) throws Exception {
        sendFromElsewhere(count, false);
    }

    protected void sendToAmqTopic(int count) throws Exception {
        sendFromElsewhere(count, true);
    }

    private void sendFromElsewhere(int count, boolean topic) throws Exception {
        try (Connection other = new JmsConnectionFactory("amqp://127.0.0.1:" + Control.ports()[0]).createConnection()) {
            Session session = other.createSession(false, Session.AUTO_ACKNOWLEDGE);
            sendMessages(other, topic ? session.createTopic(testMethodName) : session.createQueue(testMethodName), count);
        }
    }

    protected BrokerViewMBean getProxyToBroker() {
        return brokerService.getAdminView();
    }

    protected QueueViewMBean getProxyToQueue(String name) {
        return new QueueViewMBean(name);
    }

    protected QueueViewMBean getProxyToQueue(BrokerService broker, String name) {
        return new QueueViewMBean(name);
    }

    protected TopicViewMBean getProxyToTopic(String name) {
        return new TopicViewMBean();
    }
}
