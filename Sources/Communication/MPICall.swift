import CMPI

extension JobState {
  /// The one way into MPI: makes a call and turns an error code into an error that names the call and MPI's text.
  ///
  /// - Parameter subject: what the call was about, for the message.
  func callMPI(
    _ name: StaticString, about subject: @autoclosure () -> String = "", _ call: () -> Int32
  ) throws(CommunicationError) {
    let code = inTurn(call)
    guard code != MPI_SUCCESS else { return }
    let text = mpiText(of: code)
    throw fail(.callFailed(text), "\(name) failed\(subject().isEmpty ? "" : " (\(subject()))"): \(text)")
  }
}

extension JobState {
  /// Calls MPI when nobody else does.
  func inTurn(_ call: () -> Int32) -> Int32 {
    guard let callLock else { return call() }
    callLock.lock()
    defer { callLock.unlock() }
    return call()
  }
}

/// MPI's words for an error code, in one line.
func mpiText(of code: Int32) -> String {
  let capacity = Int(MPI_MAX_ERROR_STRING)
  let text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) { characters -> String in
    var length: Int32 = 0
    guard MPI_Error_string(code, characters.baseAddress, &length) == MPI_SUCCESS else { return "error \(code)" }
    return String(decoding: characters.prefix(Int(length)).map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
  return text.split(whereSeparator: \.isNewline).joined(separator: "; ")
}

/// What kind of error a code is; codes themselves carry more detail and cannot be compared.
func mpiErrorClass(of code: Int32) -> Int32 {
  var errorClass: Int32 = 0
  return MPI_Error_class(code, &errorClass) == MPI_SUCCESS ? errorClass : code
}
