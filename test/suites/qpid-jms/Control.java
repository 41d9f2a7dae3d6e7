// What the tests ask of the pair, and have done to it, by the HTTP port of test/suites/qpid-jms.ts.

package org.apache.qpid.jms.support;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;

public class Control {

    private static final HttpClient CLIENT = HttpClient.newHttpClient();

    public static String ask(String path) {
        try {
            URI uri = new URI(System.getProperty("lockstep.control") + path);
            HttpResponse<String> answer = CLIENT.send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString());
            if (answer.statusCode() != 200) throw new IllegalStateException(path + ": " + answer.body());
            return answer.body();
        } catch (IllegalStateException e) {
            throw e;
        } catch (Exception e) {
            throw new IllegalStateException(path, e);
        }
    }

    /** AMQP ports, that of the server that serves first. */
    public static String[] ports() {
        return ask("/ports").split(" ");
    }

    /** A list of things, each a line: messages, consumers, delivered, temporary, name. */
    public static List<String[]> list(String path) {
        List<String[]> found = new ArrayList<>();
        for (String line : ask(path).split("\n")) if (!line.isEmpty()) found.add(line.split(" ", 5));
        return found;
    }
}
