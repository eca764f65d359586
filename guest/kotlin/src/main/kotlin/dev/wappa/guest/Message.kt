// The message that a guest has before it.
package dev.wappa.guest

/**
 * The message that the guest is called for. There is one object for all messages, which is over when the function
 * returns: keep what you read of it, not the object.
 */
public class Message internal constructor() {
    /** The metadata. */
    public val metadata: Metadata = Metadata()

    /** The content, as bytes of your own. What is never asked for is never copied into the guest. */
    public var content: ByteArray
        get() = Host.content()
        set(bytes) = Host.setContent(bytes, 0, bytes.size)

    /** Replaces the content by a part of these bytes. */
    public fun write(bytes: ByteArray, from: Int, to: Int) {
        if (from < 0 || to < from || bytes.size < to) throw IndexOutOfBoundsException("there is no part from $from to $to")
        Host.setContent(bytes, from, to)
    }

    /** The content as a text. What is not UTF-8 fails the message with a reason that says so. */
    public var text: String
        get() = textOf(content) ?: refuse("the content is not UTF-8")
        set(text) {
            content = text.encodeToByteArray()
        }

    /** The length of the content in bytes, which is not read for it. */
    public val length: Int
        get() = Host.contentLength()

    /** The error mark of a message that failed before it came here, or null. */
    public val error: String?
        get() = Host.error()?.decodeToString()

    /** Removes the error mark. */
    public fun clearError(): Unit = Host.clearError()

    /** Sends the message as it stands, and goes on with a copy of it: one in, many out. */
    public fun emit(): Unit = Host.emit()

    /** The message is not sent when the function returns; what was emitted is. It counts as delivered. */
    public fun filter(): Unit = Host.filter()

    /**
     * The message goes on as it came in, marked with this reason, whatever else is done to it. The last reason counts.
     * An exception does the same.
     */
    public fun fail(reason: String): Unit = Host.fail(reason.encodeToByteArray())

    /** Which one it is in its batch, from 0. */
    public val index: Int
        get() = Host.batchIndex()

    /** How many messages its batch has. */
    public val batchLength: Int
        get() = Host.batchLength()
}

/**
 * The metadata of a message, much like a map. Keys are text; values are text, bytes, or anything that is JSON.
 */
public class Metadata internal constructor() {
    /**
     * A value as text, or null where the key is missing, which is something else than empty. A number comes by its
     * digits, a list or an object as JSON.
     */
    public operator fun get(key: String): String? = bytes(key)?.decodeToString()

    /** A value as bytes of your own, or null where the key is missing. */
    public fun bytes(key: String): ByteArray? = Host.metadata(key.encodeToByteArray())

    /** A value as JSON, which tells 5 and "5" apart, or null where the key is missing. */
    public fun json(key: String): String? = Host.metadataJson(key.encodeToByteArray())?.decodeToString()

    /** Whether there is such a key. */
    public operator fun contains(key: String): Boolean = Host.hasMetadata(key.encodeToByteArray())

    /** Sets a key to a text. */
    public operator fun set(key: String, value: String): Unit = set(key, value.encodeToByteArray())

    /** Sets a key to bytes. */
    public operator fun set(key: String, value: ByteArray): Unit = Host.setMetadata(key.encodeToByteArray(), value)

    /** Sets a key to a number. */
    public operator fun set(key: String, value: Long): Unit = setJson(key, value.toString())

    /** Sets a key to a number. */
    public operator fun set(key: String, value: Int): Unit = setJson(key, value.toString())

    /** Sets a key to a number, which is neither infinite nor `NaN`. */
    public operator fun set(key: String, value: Double) {
        require(value.isFinite()) { "$value is no number that JSON has" }
        setJson(key, value.toString())
    }

    /** Sets a key to `true` or `false`. */
    public operator fun set(key: String, value: Boolean): Unit = setJson(key, value.toString())

    /** Sets a key to the value of a JSON text. One that is no JSON ends the call, and so fails the message. */
    public fun setJson(key: String, json: String): Unit =
        Host.setMetadataJson(key.encodeToByteArray(), json.encodeToByteArray())

    /** Removes a key, and says whether it was there. */
    public fun remove(key: String): Boolean = Host.deleteMetadata(key.encodeToByteArray())

    /** All keys, in order. */
    public val keys: List<String>
        get() {
            val all = Host.keys()
            val keys = ArrayList<String>()
            var at = 0
            while (at < all.size) {
                val length = all.number(at)
                keys.add(all.decodeToString(at + 4, at + 4 + length))
                at += 4 + length
            }
            return keys
        }
}

/** Four bytes, the lowest first. */
private fun ByteArray.number(at: Int): Int =
    (this[at].toInt() and 255) or ((this[at + 1].toInt() and 255) shl 8) or
        ((this[at + 2].toInt() and 255) shl 16) or ((this[at + 3].toInt() and 255) shl 24)

/** The text of bytes, or null where they are not UTF-8. */
internal fun textOf(bytes: ByteArray): String? =
    try {
        bytes.decodeToString(throwOnInvalidSequence = true)
    } catch (_: CharacterCodingException) {
        null
    }
