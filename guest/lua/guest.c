// Lua as a guest: runs the function `process` of a script over each message.
//
// The script is the value `script` of the config, or what was built in (`BUILT_IN`, a file). An error of it fails its
// message with its text and the line of the script, and no other.
#include <stdlib.h>
#include <string.h>

#include "lauxlib.h"
#include "lua.h"
#include "lualib.h"
#include "wappa.h"

#ifdef BUILT_IN
static const char built_in[] = {
#embed BUILT_IN
};
static const size_t built_in_len = sizeof built_in;
#else
static const char built_in[] = "";
static const size_t built_in_len = 0;
#endif

static lua_State *lua;
static wappa_buf scratch;

// What Lua's own code for raising errors needs of the C library.

// The tag of exceptions of C, which carry a pointer.
__asm__(".globl __c_longjmp\n.tagtype __c_longjmp i32\n__c_longjmp:\n");

/// What `setjmp` has filled.
struct jump {
    void *caller;
    uint32_t label;
    struct {
        struct jump *to;
        int value;
    } thrown;
};

void __wasm_setjmp(void *to, uint32_t label, void *caller) {
    struct jump *jump = to;
    jump->caller = caller;
    jump->label = label;
}

uint32_t __wasm_setjmp_test(void *to, void *caller) {
    struct jump *jump = to;
    return jump->caller == caller ? jump->label : 0;
}

_Noreturn void __wasm_longjmp(void *to, int value) {
    struct jump *jump = to;
    jump->thrown.to = jump;
    jump->thrown.value = value == 0 ? 1 : value;
    // The number is that of this tag.
    __builtin_wasm_throw(1, &jump->thrown);
}

// Functions of a script.

static void *told_no_memory(lua_State *L) {
    luaL_error(L, "no memory");
    return NULL;
}

static int push_scratch(lua_State *L, bool is_there) {
    if (is_there) {
        lua_pushlstring(L, scratch.data == NULL ? "" : (const char *)scratch.data, scratch.len);
    } else {
        lua_pushnil(L);
    }
    return 1;
}

static int metadata_get(lua_State *L) {
    return push_scratch(L, wappa_meta_get(luaL_checkstring(L, 2), &scratch));
}

static int metadata_set(lua_State *L) {
    const char *key = luaL_checkstring(L, 2);
    switch (lua_type(L, 3)) {
    case LUA_TNIL:
        wappa_meta_delete(key);
        break;
    case LUA_TBOOLEAN:
        wappa_meta_set_bool(key, lua_toboolean(L, 3));
        break;
    case LUA_TNUMBER:
        if (lua_isinteger(L, 3)) {
            wappa_meta_set_i64(key, lua_tointeger(L, 3));
        } else {
            lua_Number number = lua_tonumber(L, 3);
            luaL_argcheck(L, number - number == 0, 3, "there is no such number in JSON");
            wappa_meta_set_json(key, lua_tostring(L, 3));
        }
        break;
    default: {
        size_t len;
        const char *value = luaL_checklstring(L, 3, &len);
        wappa_meta_set_bytes(key, value, len);
    }
    }
    return 0;
}

// All keys, in order.
static int metadata_keys(lua_State *L) {
    static wappa_keys keys;
    lua_newtable(L);
    if (!wappa_keys_start(&keys)) {
        told_no_memory(L);
    }
    for (lua_Integer n = 1; wappa_keys_next(&keys); n++) {
        lua_pushlstring(L, keys.key, keys.len);
        lua_seti(L, -2, n);
    }
    return 1;
}

static int message_get(lua_State *L) {
    const char *name = luaL_checkstring(L, 2);
    if (strcmp(name, "content") == 0) {
        if (!wappa_content_get(&scratch)) {
            told_no_memory(L);
        }
        return push_scratch(L, true);
    }
    if (strcmp(name, "error") == 0) {
        return push_scratch(L, wappa_error_get(&scratch));
    }
    if (strcmp(name, "index") == 0) {
        lua_pushinteger(L, wappa_batch_index());
    } else if (strcmp(name, "batch_length") == 0) {
        lua_pushinteger(L, wappa_batch_len());
    } else {
        // Functions, and `metadata`.
        lua_getfield(L, lua_upvalueindex(1), name);
    }
    return 1;
}

static int message_set(lua_State *L) {
    const char *name = luaL_checkstring(L, 2);
    if (strcmp(name, "content") == 0) {
        size_t len;
        const char *content = luaL_checklstring(L, 3, &len);
        wappa_content_set(content, len);
    } else if (strcmp(name, "error") == 0 && lua_isnil(L, 3)) {
        wappa_error_clear();
    } else {
        return luaL_error(L, "a message has no `%s` that can be set", name);
    }
    return 0;
}

static int message_emit(lua_State *L) {
    (void)L;
    wappa_emit();
    return 0;
}

static int message_filter(lua_State *L) {
    (void)L;
    wappa_filter();
    return 0;
}

static int message_fail(lua_State *L) {
    wappa_fail(luaL_checkstring(L, 2));
    return 0;
}

static int config_get(lua_State *L) {
    return push_scratch(L, wappa_config_get(luaL_checkstring(L, 1), &scratch));
}

static int log_line(lua_State *L) {
    static const char *const levels[] = {"trace", "debug", "info", "warn", "error", NULL};
    int level = luaL_checkoption(L, 1, NULL, levels);
    size_t len;
    const char *text = luaL_checklstring(L, 2, &len);
    wappa_v1_log(level, text, wappa_u32(len));
    return 0;
}

static int count_up(lua_State *L) {
    const char *name = luaL_checkstring(L, 1);
    lua_Integer delta = luaL_optinteger(L, 2, 1);
    luaL_argcheck(L, delta >= 0, 2, "a counter only grows");
    wappa_v1_counter_add(name, wappa_text_len(name), delta);
    return 0;
}

static const luaL_Reg message_functions[] = {
    {"emit", message_emit}, {"filter", message_filter}, {"fail", message_fail}, {NULL, NULL}};

static const luaL_Reg libraries[] = {{LUA_GNAME, luaopen_base},       {LUA_TABLIBNAME, luaopen_table},
                                     {LUA_STRLIBNAME, luaopen_string}, {LUA_MATHLIBNAME, luaopen_math},
                                     {LUA_UTF8LIBNAME, luaopen_utf8},  {LUA_COLIBNAME, luaopen_coroutine},
                                     {NULL, NULL}};

// Gives the table on top a metatable with these two functions, and the value below it for both of them.
static void with_access(lua_State *L, lua_CFunction get, lua_CFunction set) {
    lua_newtable(L);
    lua_newtable(L);
    lua_pushvalue(L, -3);
    lua_pushcclosure(L, get, 1);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, set);
    lua_setfield(L, -2, "__newindex");
    lua_setmetatable(L, -2);
    lua_remove(L, -2);
}

// Makes the state and runs the script, which defines `process`. Called in protected mode.
static int start(lua_State *L) {
    for (const luaL_Reg *it = libraries; it->func != NULL; it++) {
        luaL_requiref(L, it->name, it->func, 1);
        lua_pop(L, 1);
    }
    // Lua begins with the time and an address, which are the same for all instances.
    lua_Integer seed[2];
    wappa_random(seed, sizeof seed);
    lua_getglobal(L, LUA_MATHLIBNAME);
    lua_getfield(L, -1, "randomseed");
    lua_pushinteger(L, seed[0]);
    lua_pushinteger(L, seed[1]);
    lua_call(L, 2, 0);
    lua_pop(L, 1);
    lua_register(L, "config", config_get);
    lua_register(L, "log", log_line);
    lua_register(L, "count", count_up);

    luaL_newlib(L, message_functions);
    lua_newtable(L);
    with_access(L, metadata_get, metadata_set);
    lua_setfield(L, -2, "metadata");
    lua_pushcfunction(L, metadata_keys);
    lua_setfield(L, -2, "keys");
    with_access(L, message_get, message_set);
    lua_setfield(L, LUA_REGISTRYINDEX, "message");

    const char *script = built_in;
    size_t len = built_in_len;
    if (wappa_config_get("script", &scratch)) {
        script = (const char *)scratch.data;
        len = scratch.len;
    } else if (len == 0) {
        return luaL_error(L, "the config has no `script`: give it one that defines `function process(message)`");
    }
    if (luaL_loadbufferx(L, script, len, "=script", "t") != LUA_OK) {
        return lua_error(L);
    }
    lua_call(L, 0, 0);
    if (lua_getglobal(L, "process") != LUA_TFUNCTION) {
        return luaL_error(L, "the script defines no `function process(message)`");
    }
    lua_setfield(L, LUA_REGISTRYINDEX, "process");
    return 0;
}

static const char *reason_of(lua_State *L) {
    const char *reason = lua_tostring(L, -1);
    return reason == NULL ? "an error that is no text" : reason;
}

WAPPA_EXPORT("wappa_init") int32_t wappa_init(void) {
    lua = luaL_newstate();
    if (lua == NULL) {
        return 1;
    }
    lua_pushcfunction(lua, start);
    if (lua_pcall(lua, 0, 0, 0) != LUA_OK) {
        const char *reason = reason_of(lua);
        wappa_v1_log(4, reason, wappa_text_len(reason));
        return 1;
    }
    return 0;
}

WAPPA_EXPORT("process") void process(void) {
    do {
        lua_getfield(lua, LUA_REGISTRYINDEX, "process");
        lua_getfield(lua, LUA_REGISTRYINDEX, "message");
        if (lua_pcall(lua, 1, 0, 0) != LUA_OK) {
            wappa_fail(reason_of(lua));
        }
        lua_settop(lua, 0);
    } while (wappa_next());
}
