// The door to JavaScript, by Node-API alone: one binary serves all versions of Node.js. `native.ts` says
// what each function takes.
#define NAPI_VERSION 8
#include "session.hpp"

#include <node_api.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <set>
#include <stdexcept>

namespace sluice {
namespace {

void check(napi_env env, napi_status status) {
  if (status == napi_ok) return;
  napi_extended_error_info const* info = nullptr;
  napi_get_last_error_info(env, &info);
  throw std::runtime_error(info != nullptr && info->error_message != nullptr ? info->error_message
                                                                             : "Node-API refused");
}

// --- values ---------------------------------------------------------------------------------------

std::string text(napi_env env, napi_value value) {
  std::size_t length = 0;
  check(env, napi_get_value_string_utf8(env, value, nullptr, 0, &length));
  std::string result(length, 0);
  check(env, napi_get_value_string_utf8(env, value, result.data(), length + 1, &length));
  return result;
}

std::int32_t integer(napi_env env, napi_value value) {
  std::int32_t result = 0;
  check(env, napi_get_value_int32(env, value, &result));
  return result;
}

bool truth(napi_env env, napi_value value) {
  bool result = false;
  check(env, napi_get_value_bool(env, value, &result));
  return result;
}

bool is_there(napi_env env, napi_value value) {
  napi_valuetype type = napi_undefined;
  check(env, napi_typeof(env, value, &type));
  return type != napi_undefined && type != napi_null;
}

// Of a typed array, whatever its elements.
std::pair<char const*, std::size_t> bytes(napi_env env, napi_value value) {
  napi_typedarray_type type;
  std::size_t length = 0;
  void* data = nullptr;
  check(env, napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr));
  std::size_t const width = type == napi_float64_array ? 8 : type == napi_int32_array ? 4 : 1;
  return {static_cast<char const*>(data), length * width};
}

napi_value field(napi_env env, napi_value object, char const* name) {
  napi_value value = nullptr;
  check(env, napi_get_named_property(env, object, name, &value));
  return value;
}

std::string bytes_or_nothing(napi_env env, napi_value value) {
  if (!is_there(env, value)) return {};
  auto const [data, length] = bytes(env, value);
  return {data, length};
}

template <typename Each> void each(napi_env env, napi_value list, Each call) {
  std::uint32_t length = 0;
  check(env, napi_get_array_length(env, list, &length));
  for (std::uint32_t i = 0; i < length; ++i) {
    napi_value value = nullptr;
    check(env, napi_get_element(env, list, i, &value));
    call(value);
  }
}

// Pairs of start and end, as doubles.
std::vector<Range> ranges(napi_env env, napi_value value) {
  auto const [data, length] = bytes(env, value);
  std::vector<Range> result;
  for (std::size_t at = 0; at + 16 <= length; at += 16) {
    double pair[2];
    std::memcpy(pair, data + at, sizeof pair);
    result.push_back({std::int64_t(pair[0]), std::int64_t(pair[1])});
  }
  return result;
}

napi_value string_value(napi_env env, std::string const& value) {
  napi_value result = nullptr;
  check(env, napi_create_string_utf8(env, value.data(), value.size(), &result));
  return result;
}

napi_value buffer_value(napi_env env, std::string const& value) {
  napi_value result = nullptr;
  check(env, napi_create_buffer_copy(env, value.size(), value.data(), nullptr, &result));
  return result;
}

napi_value nothing(napi_env env) {
  napi_value result = nullptr;
  napi_get_undefined(env, &result);
  return result;
}

// --- an engine ------------------------------------------------------------------------------------

// Jobs that are shown to JavaScript at a time, and answers that it gives at a time.
constexpr int jobs_max = 1024;
constexpr int answers_max = 4096;

void call_js(napi_env env, napi_value, void* context, void*);

class Engine;

// Engines that have to end before the process does: its statics are libtorrent's, too.
std::mutex living_mutex;
std::set<Engine*> living;

class Engine {
public:
  Engine(napi_env env, napi_value on_jobs, napi_value on_event, napi_value on_slab) : env_(env) {
    napi_value name = string_value(env, "libtorrent");
    check(env, napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr,
                                               this, call_js, &function_));
    check(env, napi_create_reference(env, on_jobs, 1, &on_jobs_));
    check(env, napi_create_reference(env, on_event, 1, &on_event_));
    check(env, napi_create_reference(env, on_slab, 1, &on_slab_));
    bridge_ = std::make_shared<Bridge>(
        [this] { napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking); });
    napi_add_env_cleanup_hook(env, cleanup, this);
    std::lock_guard<std::mutex> lock(living_mutex);
    living.insert(this);
  }

  void start(SessionOptions const& options) {
    session_ = std::make_unique<Session>(options, bridge_);
  }

  Session& session() { return *session_; }
  Bridge& bridge() { return *bridge_; }

  // What JavaScript reads and writes: jobs, answers.
  std::int32_t jobs[std::size_t(jobs_max) * job_fields];
  std::int32_t answers[std::size_t(answers_max) * 2];
  std::vector<HashAnswer> hashes;

  void answer(std::size_t count) {
    bridge_->answer({std::vector<std::int32_t>(answers, answers + 2 * std::min<std::size_t>(count, answers_max)),
                     std::exchange(hashes, {})});
  }

  // On JavaScript's thread, after a `wake`.
  void run() {
    take_jobs();
    if (bridge_->has_alerts.exchange(false)) take_events();
    if (bridge_->is_closed.exchange(false)) {
      emit({Event::closed});
      release();
    }
  }

  void close() {
    session_->close([bridge = bridge_] {
      bridge->is_closed = true;
      bridge->wake();
    });
  }

  // The process or the thread ends: no JavaScript from here on.
  void end() {
    {
      std::lock_guard<std::mutex> lock(living_mutex);
      if (living.erase(this) == 0) return;
    }
    bridge_->die();
    if (session_) session_->end();
  }

private:
  static void cleanup(void* engine) { static_cast<Engine*>(engine)->end(); }

  void show_slabs() {
    while (char* slab = bridge_->slabs.slab(shown_)) {
      napi_value memory = nullptr;
      // The finalizer holds the bridge, and with it the slabs, for as long as JavaScript has the memory.
      auto* held = new std::shared_ptr<Bridge>(bridge_);
      check(env_, napi_create_external_arraybuffer(
                      env_, slab, Slabs::slab_bytes,
                      [](napi_env, void*, void* hint) {
                        delete static_cast<std::shared_ptr<Bridge>*>(hint);
                      },
                      held, &memory));
      call(on_slab_, {memory});
      ++shown_;
    }
  }

  void take_jobs() {
    auto const taken = bridge_->take();
    if (taken.empty()) return;
    show_slabs();
    for (std::size_t begin = 0; begin < taken.size(); begin += jobs_max) {
      std::size_t const count = std::min(std::size_t(jobs_max), taken.size() - begin);
      std::memcpy(jobs, taken.data() + begin, count * sizeof(Job));
      napi_value number = nullptr;
      check(env_, napi_create_uint32(env_, std::uint32_t(count), &number));
      napi_value answered = call(on_jobs_, {number});
      // The bytes of writes have been taken; only now peers may learn that there is room.
      std::vector<char*> blocks;
      std::int64_t written = 0;
      for (std::size_t i = begin; i < begin + count; ++i) {
        if (taken[i].kind != int(Kind::write)) continue;
        written += taken[i].length;
        blocks.push_back(bridge_->slabs.slab(std::size_t(taken[i].slab)) + taken[i].at);
      }
      bridge_->slabs.give_back(blocks);
      bridge_->waiting_bytes -= written;
      answer(answered == nullptr ? 0 : std::size_t(integer(env_, answered)));
    }
  }

  void take_events() {
    for (auto const& event : session_->take_events()) emit(event);
  }

  void emit(Told const& event) {
    napi_value number = nullptr, key = nullptr, kind = nullptr;
    check(env_, napi_create_int32(env_, int(event.event), &kind));
    check(env_, napi_create_int32(env_, event.key, &key));
    check(env_, napi_create_int32(env_, event.number, &number));
    call(on_event_, {kind, key, number,
                     event.is_bytes ? buffer_value(env_, event.text)
                                    : string_value(env_, event.text)});
  }

  // An exception of JavaScript's goes on as an uncaught one, which is what it is.
  napi_value call(napi_ref function, std::vector<napi_value> const& words) {
    napi_value callee = nullptr, self = nullptr, result = nullptr;
    check(env_, napi_get_reference_value(env_, function, &callee));
    check(env_, napi_get_undefined(env_, &self));
    if (napi_call_function(env_, self, callee, words.size(), words.data(), &result) ==
        napi_pending_exception) {
      napi_value error = nullptr;
      napi_get_and_clear_last_exception(env_, &error);
      napi_fatal_exception(env_, error);
      return nullptr;
    }
    return result;
  }

  void release() {
    {
      std::lock_guard<std::mutex> lock(living_mutex);
      living.erase(this);
    }
    session_->end();
    napi_remove_env_cleanup_hook(env_, cleanup, this);
    napi_release_threadsafe_function(function_, napi_tsfn_abort);
    for (napi_ref reference : {on_jobs_, on_event_, on_slab_}) napi_delete_reference(env_, reference);
  }

  napi_env env_;
  napi_threadsafe_function function_ = nullptr;
  napi_ref on_jobs_ = nullptr, on_event_ = nullptr, on_slab_ = nullptr;
  std::shared_ptr<Bridge> bridge_;
  std::unique_ptr<Session> session_;
  std::size_t shown_ = 0;
};

void call_js(napi_env env, napi_value, void* context, void*) {
  // Null while the function is torn down.
  if (env == nullptr) return;
  try {
    static_cast<Engine*>(context)->run();
  } catch (std::exception const& error) {
    napi_throw_error(env, nullptr, error.what());
  }
}

void end_all() {
  for (;;) {
    Engine* engine = nullptr;
    {
      std::lock_guard<std::mutex> lock(living_mutex);
      if (living.empty()) return;
      engine = *living.begin();
    }
    engine->end();
  }
}

// --- functions ------------------------------------------------------------------------------------

struct Call {
  napi_env env;
  napi_value words[6] = {};
  Engine* engine = nullptr;
};

// Reads the words; the first is an engine but in `start`. C++ exceptions become JavaScript's.
template <napi_value (*Function)(Call&), bool HasEngine = true>
napi_value entry(napi_env env, napi_callback_info info) {
  Call call{env};
  try {
    std::size_t count = 6;
    check(env, napi_get_cb_info(env, info, &count, call.words, nullptr, nullptr));
    if (HasEngine) {
      void* engine = nullptr;
      check(env, napi_get_value_external(env, call.words[0], &engine));
      call.engine = static_cast<Engine*>(engine);
    }
    return Function(call);
  } catch (std::exception const& error) {
    napi_throw_error(env, nullptr, error.what());
    return nullptr;
  }
}

napi_value memory(napi_env env, std::int32_t* words, std::size_t count) {
  napi_value buffer = nullptr, array = nullptr;
  check(env, napi_create_external_arraybuffer(env, words, count * sizeof(std::int32_t), nullptr,
                                              nullptr, &buffer));
  check(env, napi_create_typedarray(env, napi_int32_array, count, buffer, 0, &array));
  return array;
}

// start(options, onJobs, onEvent, onSlab): { engine, jobs, answers }. The engine's memory is kept for good,
// some kilobytes: JavaScript may hold its arrays for longer than the engine.
napi_value start(Call& call) {
  napi_env const env = call.env;
  napi_value const given = call.words[0];
  SessionOptions options;
  options.host = text(env, field(env, given, "host"));
  options.port = integer(env, field(env, given, "port"));
  options.finds_dht = truth(env, field(env, given, "dht"));
  options.finds_local = truth(env, field(env, given, "local"));
  options.maps_ports = truth(env, field(env, given, "portMapping"));
  options.is_loopback = truth(env, field(env, given, "isLoopback"));
  options.download_rate = integer(env, field(env, given, "downloadRateMax"));
  options.upload_rate = integer(env, field(env, given, "uploadRateMax"));
  options.connections = integer(env, field(env, given, "connectionsMax"));
  options.own_disk = text(env, field(env, given, "ownDisk"));
  auto* const engine = new Engine(env, call.words[1], call.words[2], call.words[3]);
  engine->start(options);
  napi_value result = nullptr, external = nullptr;
  check(env, napi_create_object(env, &result));
  check(env, napi_create_external(env, engine, nullptr, nullptr, &external));
  check(env, napi_set_named_property(env, result, "engine", external));
  check(env, napi_set_named_property(env, result, "jobs",
                                     memory(env, engine->jobs, std::size(engine->jobs))));
  check(env, napi_set_named_property(env, result, "answers",
                                     memory(env, engine->answers, std::size(engine->answers))));
  return result;
}

// add(engine, order): undefined, or why not.
napi_value add(Call& call) {
  napi_env const env = call.env;
  napi_value const given = call.words[1];
  Order order;
  order.key = integer(env, field(env, given, "key"));
  order.metainfo = bytes_or_nothing(env, field(env, given, "metainfo"));
  order.magnet = text(env, field(env, given, "magnet"));
  each(env, field(env, given, "trackers"),
       [&](napi_value tracker) { order.trackers.push_back(text(env, tracker)); });
  order.have = bytes_or_nothing(env, field(env, given, "have"));
  std::vector<std::int32_t> pieces;
  each(env, field(env, given, "pieces"),
       [&](napi_value piece) { pieces.push_back(integer(env, piece)); });
  std::size_t at = 0;
  each(env, field(env, given, "blocks"), [&](napi_value there) {
    order.blocks.emplace_back(pieces.at(at++), bytes_or_nothing(env, there));
  });
  napi_value const wanted = field(env, given, "wanted");
  if (is_there(env, wanted)) order.wanted = ranges(env, wanted);
  std::string const problem = call.engine->session().add(std::move(order));
  return problem.empty() ? nothing(env) : string_value(env, problem);
}

napi_value remove(Call& call) {
  call.engine->session().remove(integer(call.env, call.words[1]));
  return nothing(call.env);
}

napi_value pause(Call& call) {
  call.engine->session().pause(integer(call.env, call.words[1]));
  return nothing(call.env);
}

napi_value resume(Call& call) {
  call.engine->session().resume(integer(call.env, call.words[1]));
  return nothing(call.env);
}

napi_value connect(Call& call) {
  call.engine->session().connect(integer(call.env, call.words[1]), text(call.env, call.words[2]),
                                 integer(call.env, call.words[3]));
  return nothing(call.env);
}

napi_value want(Call& call) {
  call.engine->session().want(integer(call.env, call.words[1]), ranges(call.env, call.words[2]));
  return nothing(call.env);
}

napi_value prioritise(Call& call) {
  call.engine->session().prioritise(integer(call.env, call.words[1]),
                                    integer(call.env, call.words[2]),
                                    integer(call.env, call.words[3]));
  return nothing(call.env);
}

napi_value relax(Call& call) {
  call.engine->session().relax(integer(call.env, call.words[1]),
                               integer(call.env, call.words[2]));
  return nothing(call.env);
}

napi_value ask_status(Call& call) {
  call.engine->session().ask_status();
  return nothing(call.env);
}

// answer(engine, count): so many of `answers` stand.
napi_value answer(Call& call) {
  call.engine->answer(std::size_t(integer(call.env, call.words[1])));
  return nothing(call.env);
}

// answerHash(engine, id, v1?, leaves?): goes with the next `answer`.
napi_value answer_hash(Call& call) {
  HashAnswer hash{integer(call.env, call.words[1]), {}, {}};
  if (is_there(call.env, call.words[2])) {
    auto const [data, length] = bytes(call.env, call.words[2]);
    std::memcpy(hash.v1.data(), data, std::min(length, hash.v1.size()));
  }
  if (is_there(call.env, call.words[3])) {
    auto const [data, length] = bytes(call.env, call.words[3]);
    hash.leaves.assign(data, data + length);
  }
  call.engine->hashes.push_back(std::move(hash));
  return nothing(call.env);
}

// setFull(engine, isFull)
napi_value set_full(Call& call) {
  call.engine->bridge().is_full = truth(call.env, call.words[1]);
  // An answer to nothing makes the disk look after those who wait.
  call.engine->bridge().answer({});
  return nothing(call.env);
}

napi_value close(Call& call) {
  call.engine->close();
  return nothing(call.env);
}

napi_value init(napi_env env, napi_value exports) {
  static std::once_flag once;
  std::call_once(once, [] { std::atexit(end_all); });
  napi_property_descriptor const functions[] = {
#define SLUICE_FUNCTION(name, call)                                                                \
  { name, nullptr, call, nullptr, nullptr, nullptr, napi_enumerable, nullptr }
      SLUICE_FUNCTION("start", (entry<start, false>)),
      SLUICE_FUNCTION("add", entry<add>),
      SLUICE_FUNCTION("remove", entry<remove>),
      SLUICE_FUNCTION("pause", entry<pause>),
      SLUICE_FUNCTION("resume", entry<resume>),
      SLUICE_FUNCTION("connect", entry<connect>),
      SLUICE_FUNCTION("want", entry<want>),
      SLUICE_FUNCTION("prioritise", entry<prioritise>),
      SLUICE_FUNCTION("relax", entry<relax>),
      SLUICE_FUNCTION("askStatus", entry<ask_status>),
      SLUICE_FUNCTION("answer", entry<answer>),
      SLUICE_FUNCTION("answerHash", entry<answer_hash>),
      SLUICE_FUNCTION("setFull", entry<set_full>),
      SLUICE_FUNCTION("close", entry<close>),
#undef SLUICE_FUNCTION
  };
  napi_define_properties(env, exports, std::size(functions), functions);
  napi_value version = nullptr;
  napi_create_string_utf8(env, LIBTORRENT_VERSION, NAPI_AUTO_LENGTH, &version);
  napi_set_named_property(env, exports, "version", version);
  return exports;
}

} // namespace
} // namespace sluice

NAPI_MODULE_INIT() { return sluice::init(env, exports); }
