// Takes a JSON object and replaces the value of every member that is named in the config `fields`, at any depth, by the
// text `***`. What is not a JSON object fails.
//
// The JSON is checked and copied in one walk without recursion, so that its depth is bounded by memory alone. All that is
// not replaced stays as it was written.
package redact

import dev.wappa.guest.Export
import dev.wappa.guest.Message
import dev.wappa.guest.config
import dev.wappa.guest.prepare
import dev.wappa.guest.serve

private var fields: List<String> = emptyList()

@Export("wappa_init")
fun start() = prepare {
    fields = (config["fields"] ?: "password,email").split(",").filter { it.isNotEmpty() }
}

@Export
fun process() = serve(::redact)

fun redact(message: Message) {
    val walk = Walk(message.content)
    val isObject = try {
        walk.isUtf8() && walk.redactObject()
    } catch (_: IndexOutOfBoundsException) {
        // It ended too early.
        false
    }
    if (isObject) message.content = walk.output.bytes() else message.fail("not a JSON object")
}

private const val QUOTE = '"'.code
private const val BACKSLASH = '\\'.code
private const val OBJECT = '{'.code
private const val LIST = '['.code
private val MASK = "\"***\"".encodeToByteArray()

/** Bytes that grow. */
private class Buffer(size: Int) {
    private var room = ByteArray(size)
    var length = 0

    fun add(bytes: ByteArray, from: Int, to: Int) {
        reserve(to - from)
        bytes.copyInto(room, length, from, to)
        length += to - from
    }

    fun add(byte: Int) {
        reserve(1)
        room[length++] = byte.toByte()
    }

    fun last(): Int = room[length - 1].toInt()

    fun text(): String = room.decodeToString(0, length)

    fun bytes(): ByteArray = room.copyOf(length)

    private fun reserve(more: Int) {
        if (room.size < length + more) room = room.copyOf(2 * (length + more))
    }
}

private class Walk(val content: ByteArray) {
    val output = Buffer(content.size + 16)

    /** The brackets that are open. */
    private val open = Buffer(16)

    /** The text that was read last. */
    private val text = Buffer(16)

    /** What is looked at next. */
    private var at = 0

    fun isUtf8(): Boolean =
        try {
            content.decodeToString(throwOnInvalidSequence = true)
            true
        } catch (_: CharacterCodingException) {
            false
        }

    private fun peek(): Int = content[at].toInt()

    private fun isAt(byte: Char): Boolean = at < content.size && peek() == byte.code

    /** Copies the object to the output; false when it is none. */
    fun redactObject(): Boolean {
        var copied = 0
        // How many brackets were open when the value began that is masked; 0 when none is.
        var masked = 0
        skipSpace()
        if (peek() != OBJECT) return false
        do {
            // A value begins here.
            val first = peek()
            var isClosed = true
            if (first == OBJECT || first == LIST) {
                at++
                skipSpace()
                isClosed = peek() == closing(first)
                if (isClosed) at++ else open.add(first)
            } else if (!skipScalar()) {
                return false
            }
            // A value ended here, and maybe those around it.
            while (isClosed) {
                if (masked == open.length) {
                    if (0 < masked) copied = at
                    masked = 0
                }
                if (open.length == 0) break
                skipSpace()
                if (isAt(',')) {
                    at++
                    skipSpace()
                    break
                }
                if (peek() != closing(open.last())) return false
                at++
                open.length--
            }
            // A member begins with its name.
            if (0 < open.length && open.last() == OBJECT) {
                if (!readString()) return false
                skipSpace()
                if (!isAt(':')) return false
                at++
                skipSpace()
                if (masked == 0 && text.text() in fields) {
                    output.add(content, copied, at)
                    output.add(MASK, 0, MASK.size)
                    masked = open.length
                }
            }
        } while (0 < open.length)
        skipSpace()
        output.add(content, copied, at)
        return at == content.size
    }

    private fun closing(bracket: Int): Int = bracket + 2

    private fun skipSpace() {
        while (at < content.size && (peek() == 0x20 || peek() == 0x0a || peek() == 0x0d || peek() == 0x09)) at++
    }

    private fun skipScalar(): Boolean =
        when (peek()) {
            QUOTE -> readString()
            't'.code -> skipWord("true")
            'f'.code -> skipWord("false")
            'n'.code -> skipWord("null")
            else -> skipNumber()
        }

    private fun skipWord(word: String): Boolean = word.all { isAt(it).also { at++ } }

    private fun isDigit(): Boolean = at < content.size && 0x30 <= peek() && peek() <= 0x39

    private fun skipDigits(): Boolean {
        if (!isDigit()) return false
        while (isDigit()) at++
        return true
    }

    private fun skipNumber(): Boolean {
        if (isAt('-')) at++
        if (isAt('0')) at++ else if (!skipDigits()) return false
        if (isAt('.')) {
            at++
            if (!skipDigits()) return false
        }
        if (isAt('e') || isAt('E')) {
            at++
            if (isAt('+') || isAt('-')) at++
            if (!skipDigits()) return false
        }
        return true
    }

    /** Reads a string, and what it means. That it is UTF-8 was looked at before. */
    private fun readString(): Boolean {
        text.length = 0
        if (peek() != QUOTE) return false
        at++
        while (peek() != QUOTE) {
            val start = at
            // Bytes beyond ASCII are negative here.
            while (peek() != QUOTE && peek() != BACKSLASH && (peek() < 0 || 0x20 <= peek())) at++
            text.add(content, start, at)
            if (peek() == BACKSLASH) {
                at++
                if (!readEscape()) return false
            } else if (peek() != QUOTE) {
                return false
            }
        }
        at++
        return true
    }

    private fun readEscape(): Boolean {
        val letter = content[at++].toInt()
        when (letter.toChar()) {
            '"', '\\', '/' -> text.add(letter)
            'b' -> text.add(0x08)
            'f' -> text.add(0x0c)
            'n' -> text.add(0x0a)
            'r' -> text.add(0x0d)
            't' -> text.add(0x09)
            'u' -> return readUnit()
            else -> return false
        }
        return true
    }

    /** Reads what follows `\u`, and the second half of a pair. */
    private fun readUnit(): Boolean {
        val unit = readHex()
        if (unit < 0) return false
        var letters = unit.toChar().toString()
        if (unit in 0xd800..0xdbff && isAt('\\') && content[at + 1].toInt() == 'u'.code) {
            val before = at
            at += 2
            val second = readHex()
            if (second < 0) return false
            if (second in 0xdc00..0xdfff) letters += second.toChar() else at = before
        }
        val bytes = letters.encodeToByteArray()
        text.add(bytes, 0, bytes.size)
        return true
    }

    /** Four digits, or -1. */
    private fun readHex(): Int {
        var value = 0
        repeat(4) {
            val digit = content[at++].toInt().toChar().digitToIntOrNull(16) ?: return -1
            value = value * 16 + digit
        }
        return value
    }
}
