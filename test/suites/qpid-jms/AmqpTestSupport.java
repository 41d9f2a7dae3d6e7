// Addresses and connections for Qpid JMS's interoperability tests, in place of their own class of this name.

package org.apache.qpid.jms.support;

import java.net.URI;

import jakarta.jms.Connection;
import jakarta.jms.ConnectionFactory;

import org.apache.qpid.jms.JmsConnectionFactory;

public class AmqpTestSupport extends QpidJmsTestSupport {

    protected boolean isAmqpDiscovery() {
        return false;
    }

    protected String getAmqpTransformer() {
        return "jms";
    }

    protected int getSocketBufferSize() {
        return 64 * 1024;
    }

    protected int getIOBufferSize() {
        return 8 * 1024;
    }

    protected boolean isAddOpenWireConnector() {
        return false;
    }

    protected boolean isFrameTracingEnabled() {
        return false;
    }

    public String getAmqpConnectionURIOptions() {
        return "";
    }

    /** Of the server that serves. */
    public URI getBrokerAmqpConnectionURI() {
        try {
            String options = getAmqpConnectionURIOptions();
            return new URI("amqp://127.0.0.1:" + Control.ports()[0] + "?amqp.traceFrames=" + isFrameTracingEnabled()
                + (options.isEmpty() ? "" : "&" + options));
        } catch (Exception e) {
            throw new RuntimeException(e);
        }
    }

    /** Of both. */
    public String getAmqpFailoverURI() throws Exception {
        return "failover:(amqp://127.0.0.1:" + String.join(",amqp://127.0.0.1:", Control.ports()) + ")";
    }

    public Connection createAmqpConnection() throws Exception {
        return createAmqpConnection(getBrokerAmqpConnectionURI());
    }

    public Connection createAmqpConnection(String username, String password) throws Exception {
        return createAmqpConnection(getBrokerAmqpConnectionURI(), username, password);
    }

    public Connection createAmqpConnection(URI uri) throws Exception {
        return createAmqpConnection(uri, null, null);
    }

    public Connection createAmqpConnection(URI uri, String username, String password) throws Exception {
        Connection made = createAmqpConnectionFactory(uri, username, password).createConnection();
        opened.add(made);
        return made;
    }

    public ConnectionFactory createAmqpConnectionFactory() throws Exception {
        return createAmqpConnectionFactory(getBrokerAmqpConnectionURI(), null, null);
    }

    public ConnectionFactory createAmqpConnectionFactory(URI uri) throws Exception {
        return createAmqpConnectionFactory(uri, null, null);
    }

    public ConnectionFactory createAmqpConnectionFactory(URI uri, String username, String password) throws Exception {
        JmsConnectionFactory factory = new JmsConnectionFactory(uri);
        factory.setForceAsyncSend(isForceAsyncSends());
        factory.setForceSyncSend(isForceSyncSends());
        factory.setForceAsyncAcks(isForceAsyncAcks());
        if (username != null) factory.setUsername(username);
        if (password != null) factory.setPassword(password);
        return factory;
    }

    public abstract class Testable implements Runnable {

        protected String failure;

        @Override
        public String toString() {
            return failure;
        }

        public synchronized boolean passed() {
            return failure == null;
        }
    }
}
