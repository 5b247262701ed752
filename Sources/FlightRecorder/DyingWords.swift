import Glibc
import Synchronization

/// Lets a process that dies from a signal, or by a call of `exit` that is none of the program's own, say so in its record
/// and to whoever watches it.
///
/// A signal handler may do next to nothing: it stores words and writes bytes that were made beforehand, then lets the
/// signal have its effect.
package enum DyingWords {
  private static let signals = [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV]

  // Handlers can reach nothing but globals; written before any handler is installed, or by one store.
  nonisolated(unsafe) private static var words: UnsafeMutablePointer<Atomic<UInt64>>?
  nonisolated(unsafe) private static var connection: Int32 = -1
  nonisolated(unsafe) private static var message: UnsafeMutablePointer<UInt8>?
  nonisolated(unsafe) private static var messageCount = 0
  nonisolated(unsafe) private static var signalOffset = 0

  /// Installs the handlers, for the rest of the process's life.
  package static func install(for recorder: FlightRecorder) {
    // The globals' record must stay where it is.
    _ = Unmanaged.passRetained(recorder)
    words = recorder.words
    SignalStack.provide()
    for number in signals {
      var action = sigaction()
      action.__sigaction_handler.sa_handler = speak
      action.sa_flags = SA_ONSTACK
      sigaction(number, &action, nil)
    }
    on_exit({ code, _ in DyingWords.note(RecordEnd.Kind.exit.rawValue, UInt64(UInt32(bitPattern: code))) }, nil)
  }

  /// Sends bytes over a socket when the process dies from a signal, whose number replaces one of the bytes.
  package static func send(_ bytes: [UInt8], signalAt offset: Int, over socket: Int32) {
    let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count)
    copy.initialize(from: bytes, count: bytes.count)
    (message, messageCount, signalOffset) = (copy, bytes.count, offset)
    connection = socket
  }

  private static let speak: @convention(c) (Int32) -> Void = { number in
    DyingWords.note(RecordEnd.Kind.signal.rawValue, UInt64(number))
    if connection >= 0, let message {
      message[signalOffset] = UInt8(truncatingIfNeeded: number)
      _ = Glibc.send(connection, message, messageCount, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
    }
    signal(number, SIG_DFL)
    raise(number)
  }

  private static func note(_ kind: UInt64, _ code: UInt64) {
    guard let words, words[RecordLayout.endKind].load(ordering: .acquiring) == 0 else { return }
    words[RecordLayout.endCode].store(code, ordering: .releasing)
    words[RecordLayout.endedAt].store(monotonicNanoseconds(), ordering: .releasing)
    words[RecordLayout.endKind].store(kind, ordering: .releasing)
  }
}
