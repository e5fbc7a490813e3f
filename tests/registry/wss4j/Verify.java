import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.util.List;
import javax.xml.parsers.DocumentBuilderFactory;
import org.apache.wss4j.common.crypto.Merlin;
import org.apache.wss4j.dom.WSConstants;
import org.apache.wss4j.dom.WSDataRef;
import org.apache.wss4j.dom.engine.WSSConfig;
import org.apache.wss4j.dom.engine.WSSecurityEngine;
import org.apache.wss4j.dom.engine.WSSecurityEngineResult;
import org.apache.wss4j.dom.handler.RequestData;
import org.w3c.dom.Document;

/** Verifies signed envelopes with Apache WSS4J, that trusts one authority: java Verify CA.pem ENVELOPE... */
public final class Verify {
    public static void main(String[] given) throws Exception {
        WSSConfig.init();
        Merlin trust = new Merlin();
        trust.setTrustStore(store(Path.of(given[0])));
        for (int at = 1; at < given.length; at++) {
            System.out.println(said(trust, Path.of(given[at])));
        }
    }

    private static KeyStore store(Path path) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        try (InputStream stream = Files.newInputStream(path)) {
            int count = 0;
            for (Certificate each : CertificateFactory.getInstance("X.509").generateCertificates(stream)) {
                store.setCertificateEntry("ca-" + count++, each);
            }
        }
        return store;
    }

    private static String said(Merlin trust, Path path) throws Exception {
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setNamespaceAware(true);
        Document document = factory.newDocumentBuilder().parse(path.toFile());
        RequestData data = new RequestData();
        data.setWssConfig(WSSConfig.getNewInstance());
        data.setSigVerCrypto(trust);
        data.setDisableBSPEnforcement(false);
        try {
            List<WSSecurityEngineResult> results = new WSSecurityEngine().processSecurityHeader(document, data).getResults();
            for (WSSecurityEngineResult each : results) {
                if ((Integer) each.get(WSSecurityEngineResult.TAG_ACTION) == WSConstants.SIGN) {
                    return "good " + signed(each);
                }
            }
            return "bad: nothing is signed";
        } catch (Exception wrong) {
            return "bad: " + wrong;
        }
    }

    private static String signed(WSSecurityEngineResult result) {
        @SuppressWarnings("unchecked")
        List<WSDataRef> refs = (List<WSDataRef>) result.get(WSSecurityEngineResult.TAG_DATA_REF_URIS);
        StringBuilder all = new StringBuilder();
        for (WSDataRef ref : refs) {
            all.append(ref.getXpath()).append(' ').append(ref.getDigestAlgorithm()).append(' ');
        }
        return all.append(result.get(WSSecurityEngineResult.TAG_SIGNATURE_METHOD)).toString();
    }
}
