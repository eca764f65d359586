// A host for tests, on the JVM and without WebAssembly: what the guest would meet in a stream, in the same process.
package dev.wappa.guest.testing

import dev.wappa.guest.Host
import dev.wappa.guest.Level
import java.io.ByteArrayOutputStream
import java.util.TreeMap

/**
 * Plays the processor of a stream for a guest. It has no limits on time and memory.
 *
 * ```kotlin
 * val host = MockHost(mapOf("greeting" to "welcome"))
 * val (out) = host.process(::process, MockHost.Input("ann")).single()
 * assertEquals("welcome, ann!", out.text)
 * ```
 */
public class MockHost(public val config: Map<String, String> = emptyMap()) {
    /** What the guest wrote to the log. */
    public val logs: MutableList<Pair<Level, String>> = ArrayList()

    private val counters = HashMap<String, Long>()
    private var before: List<State> = emptyList()
    private val outcomes = ArrayList<List<Output>>()
    private val emitted = ArrayList<Output>()
    private var isFiltered = false
    private var reason: String? = null
    internal var now: State = State.NONE
    internal var index = 0
    internal val batchLength: Int
        get() = before.size

    /** Calls the guest's `wappa_init`. The result is the reason for which a stream would not start, or null. */
    public fun start(init: () -> Int): String? {
        val status = Host.being(this, init)
        if (status == 0) return null
        return logs.lastOrNull { it.first == Level.ERROR }?.second ?: "it returned $status"
    }

    /**
     * Gives a batch to the guest's `process`. For each message, the list of messages that it became: none when it was
     * filtered, and one with its `error` set when it failed.
     */
    public fun process(process: () -> Unit, vararg messages: Input): List<List<Output>> {
        before = messages.map(State::of)
        outcomes.clear()
        index = 0
        if (before.isEmpty()) return emptyList()
        begin()
        Host.being(this, process)
        // A guest that does not ask for the next message is called for it anew.
        while (outcomes.size < before.size) {
            if (!next()) break
            Host.being(this, process)
        }
        return outcomes.toList()
    }

    /** What the guest has added to a counter. */
    public fun counter(name: String): Long = counters[name] ?: 0

    internal fun count(name: String, delta: Long) {
        counters[name] = counter(name) + delta
    }

    internal fun emit() {
        emitted.add(now.told())
    }

    internal fun filter() {
        isFiltered = true
    }

    internal fun fail(why: String) {
        reason = why.ifBlank { "the guest gave no reason" }
    }

    internal fun keys(): ByteArray {
        val all = ByteArrayOutputStream()
        for (key in now.metadata.keys) {
            val bytes = key.encodeToByteArray()
            repeat(4) { all.write(bytes.size ushr (8 * it)) }
            all.write(bytes)
        }
        return all.toByteArray()
    }

    /** Finishes the message, and goes on to the next one if there is one. */
    internal fun next(): Boolean {
        check(outcomes.size < before.size) { "there was no other message, and the guest asks again" }
        val failed = reason
        outcomes.add(
            when {
                failed != null -> listOf(before[index].told().copy(error = failed))
                isFiltered -> emitted.toList()
                else -> emitted + now.told()
            },
        )
        if (outcomes.size == before.size) return false
        index = outcomes.size
        begin()
        return true
    }

    private fun begin() {
        now = before[index].copy()
        emitted.clear()
        isFiltered = false
        reason = null
    }

    /** A message that a test puts in. A value of metadata is a text, bytes, or a [Value]. */
    public class Input(public val content: ByteArray, public val metadata: Map<String, Any> = emptyMap(), public val error: String? = null) {
        public constructor(text: String, metadata: Map<String, Any> = emptyMap(), error: String? = null) :
            this(text.encodeToByteArray(), metadata, error)
    }

    /** A message that came out; `error` is the reason of one that failed, or the mark that it came in with. */
    public data class Output(val content: ByteArray, val metadata: Map<String, Value>, val error: String?) {
        /** The content as text, with U+FFFD for what is not UTF-8. */
        public val text: String
            get() = content.decodeToString()
    }

    /** A value of metadata. */
    public sealed interface Value {
        /** A text. */
        public data class Text(val text: String) : Value

        /** Bytes that are not UTF-8. */
        public class Bytes(public val bytes: ByteArray) : Value {
            override fun equals(other: Any?): Boolean = other is Bytes && bytes.contentEquals(other.bytes)

            override fun hashCode(): Int = bytes.contentHashCode()
        }

        /** Anything else, as the text of its JSON. */
        public data class Json(val json: String) : Value

        /** As a guest sees it that asks for text. */
        public fun bytes(): ByteArray =
            when (this) {
                is Text -> text.encodeToByteArray()
                is Bytes -> bytes
                is Json -> json.encodeToByteArray()
            }

        /** As a guest sees it that asks for JSON. */
        public fun json(): String =
            when (this) {
                is Text -> quoted(text)
                is Bytes -> quoted(bytes.decodeToString())
                is Json -> json
            }

        public companion object {
            /** A text where the bytes are one. */
            public fun of(bytes: ByteArray): Value =
                try {
                    Text(bytes.decodeToString(throwOnInvalidSequence = true))
                } catch (_: CharacterCodingException) {
                    Bytes(bytes.copyOf())
                }
        }
    }

    /** A message as it is now. */
    internal class State(var content: ByteArray, val metadata: TreeMap<String, Value>, var error: String?) {
        fun copy(): State = State(content, TreeMap(metadata), error)

        fun told(): Output = Output(content, TreeMap(metadata), error)

        companion object {
            val NONE = State(ByteArray(0), TreeMap(), null)

            fun of(input: Input): State {
                val metadata = TreeMap<String, Value>()
                for ((key, value) in input.metadata) {
                    metadata[key] =
                        when (value) {
                            is String -> Value.Text(value)
                            is ByteArray -> Value.of(value)
                            is Value -> value
                            is Number, is Boolean -> Value.Json(value.toString())
                            else -> throw IllegalArgumentException("`$key` is no value of metadata: $value")
                        }
                }
                return State(input.content, metadata, input.error)
            }
        }
    }
}

private fun quoted(text: String): String = buildString {
    append('"')
    for (it in text) {
        when {
            it == '"' || it == '\\' -> append('\\').append(it)
            it < ' ' -> append("\\u").append(it.code.toString(16).padStart(4, '0'))
            else -> append(it)
        }
    }
    append('"')
}
