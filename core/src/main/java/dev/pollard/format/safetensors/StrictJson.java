package dev.pollard.format.safetensors;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import dev.pollard.format.MalformedFileException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/// JSON from a foreign file, token by token. Whatever is not as expected ends in a
/// [MalformedFileException] that knows its byte.
///
/// Stricter than the parser underneath: UTF-8 must be valid and shortest, nothing may follow the
/// value but blanks, strings may not hold half of a surrogate pair, integers must be non-negative
/// and fit in 63 bits. Nesting is bounded and never recursed into.
final class StrictJson implements AutoCloseable {
    /// The longest header the safetensors reference reads; longer JSON is refused unread.
    static final int MAX_BYTES = 100_000_000;

    private static final int MAX_DEPTH = 16;

    /// Names are not interned: they come from outside and are seen once.
    private static final JsonFactory FACTORY =
            JsonFactory.builder()
                    .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
                    .streamReadConstraints(
                            StreamReadConstraints.builder()
                                    .maxNestingDepth(MAX_DEPTH)
                                    .maxStringLength(MAX_BYTES)
                                    .maxDocumentLength(MAX_BYTES)
                                    .build())
                    .build();

    private final Path file;
    private final long base;
    private final JsonParser parser;

    /// @param base where `text` starts in the file
    StrictJson(Path file, long base, byte[] text) throws IOException {
        this.file = file;
        this.base = base;
        checkEncoding(text);
        this.parser = FACTORY.createParser(text);
    }

    private void checkEncoding(byte[] text) throws MalformedFileException {
        CharsetDecoder decoder =
                StandardCharsets.UTF_8
                        .newDecoder()
                        .onMalformedInput(CodingErrorAction.REPORT)
                        .onUnmappableCharacter(CodingErrorAction.REPORT);
        ByteBuffer bytes = ByteBuffer.wrap(text);
        CharBuffer discarded = CharBuffer.allocate(Math.clamp(text.length, 2, 8192));
        CoderResult result;
        do {
            discarded.clear();
            result = decoder.decode(bytes, discarded, true);
            if (result.isError()) {
                throw malformed(base + bytes.position(), "not valid UTF-8");
            }
        } while (result.isOverflow());
        // The parser would take a NUL beside the first brace for UTF-16.
        for (int i = 0; i < text.length; i++) {
            if (text[i] == 0) {
                throw malformed(base + i, "NUL byte in JSON");
            }
        }
    }

    /// Offset in the file of the token last read.
    long position() {
        return base + parser.currentTokenLocation().getByteOffset();
    }

    MalformedFileException malformed(String reason) {
        return malformed(position(), reason);
    }

    MalformedFileException malformed(long position, String reason) {
        return new MalformedFileException(file, position, reason);
    }

    /// Steps into an object; `what` names it in the message when it is something else.
    void enterObject(String what) throws IOException {
        expect(JsonToken.START_OBJECT, what + " is not a JSON object");
    }

    void enterArray(String what) throws IOException {
        expect(JsonToken.START_ARRAY, what + " is not a JSON array");
    }

    /// Steps to the next name of the object entered last; false when the object ends here.
    boolean nextName() throws IOException {
        return advance() == JsonToken.FIELD_NAME;
    }

    /// The name stepped to last.
    String name() throws IOException {
        return wellFormed(parser.currentName());
    }

    String string(String what) throws IOException {
        expect(JsonToken.VALUE_STRING, what + " is not a string");
        try {
            // The parser reads a string only when asked for it, so this may find a bad one.
            return wellFormed(parser.getText());
        } catch (JsonProcessingException e) {
            throw malformed(e);
        }
    }

    /// Steps to the next integer of the array entered last; false when the array ends here.
    boolean nextInteger(String what) throws IOException {
        JsonToken token = advance();
        if (token == JsonToken.END_ARRAY) {
            return false;
        }
        if (token != JsonToken.VALUE_NUMBER_INT) {
            throw malformed(what + " holds something that is not an integer");
        }
        return true;
    }

    /// The integer stepped to last.
    long integer(String what) throws IOException {
        long value;
        try {
            if (parser.getNumberType() == JsonParser.NumberType.BIG_INTEGER) {
                throw malformed(what + " holds a number beyond 63 bits");
            }
            value = parser.getLongValue();
        } catch (JsonProcessingException e) {
            throw malformed(e);
        }
        if (value < 0) {
            throw malformed(what + " holds the negative number " + value);
        }
        return value;
    }

    /// Steps over the next value, whatever it is.
    void skipValue() throws IOException {
        advance();
        try {
            parser.skipChildren();
        } catch (JsonProcessingException e) {
            throw malformed(e);
        }
    }

    /// Checks that nothing but blanks follows.
    void end() throws IOException {
        if (advance() != null) {
            throw malformed("text after the JSON object");
        }
    }

    private void expect(JsonToken expected, String otherwise) throws IOException {
        if (advance() != expected) {
            throw malformed(otherwise);
        }
    }

    private JsonToken advance() throws IOException {
        try {
            return parser.nextToken();
        } catch (JsonProcessingException e) {
            throw malformed(e);
        }
    }

    private MalformedFileException malformed(JsonProcessingException e) {
        long offset = e.getLocation() == null ? -1 : e.getLocation().getByteOffset();
        return new MalformedFileException(
                file, base + Math.max(offset, 0), "invalid JSON: " + e.getOriginalMessage(), e);
    }

    private String wellFormed(String text) throws MalformedFileException {
        if (!isWellFormed(text)) {
            throw malformed("half a surrogate pair in a string");
        }
        return text;
    }

    /// Whether `text` can be written as UTF-8: every surrogate has its other half.
    static boolean isWellFormed(String text) {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (Character.isSurrogate(c)) {
                boolean pair =
                        i + 1 < text.length() && Character.isSurrogatePair(c, text.charAt(i + 1));
                if (!pair) {
                    return false;
                }
                i++;
            }
        }
        return true;
    }

    @Override
    public void close() throws IOException {
        parser.close();
    }
}
