import Tensors

/// A file at a place that the user chose: written beside it as text comes, put there when it is complete.
///
/// A file that was there before stays whole until then, and for good when something fails.
package final class OutputFile {
  /// Small pieces of text become large writes.
  private static let bufferSize = 1 << 20

  private let path: String
  private let files: any FileSystem
  private let file: OpenFile
  private var buffered: [UInt8] = []
  private var writtenCount = 0
  private var state = State.writing

  private enum State { case writing, closed, finished }

  private static func incomplete(_ path: String) -> String { path + RunDirectory.incompleteSuffix }

  package init(_ path: String, files: any FileSystem = LocalFileSystem()) throws(CheckpointError) {
    switch try files.kind(of: path) {
    case nil, .file: break
    case .directory: throw CheckpointError(.occupied, path, "this is a directory; name a file to write")
    case .other: throw CheckpointError(.occupied, path, "this is no regular file; name another to write")
    }
    let incomplete = Self.incomplete(path)
    if try files.kind(of: incomplete) != nil { try files.removeFile(incomplete) }
    file = try files.create(incomplete)
    self.path = path
    self.files = files
  }

  deinit {
    if state == .writing { try? files.close(file) }
    if state != .finished { try? files.removeFile(file.path) }
  }

  package func append(_ text: String) throws(CheckpointError) {
    buffered += text.utf8
    if buffered.count >= Self.bufferSize { try flush() }
  }

  /// Puts the complete file in its place. Nothing can be done with it after that.
  package func finish() throws(CheckpointError) {
    try flush()
    try files.sync(file)
    state = .closed
    try files.close(file)
    try files.rename(file.path, to: path)
    state = .finished
    try files.syncDirectory(parentDirectory(of: path))
  }

  private func flush() throws(CheckpointError) {
    try files.writeAll(file, at: writtenCount, from: Buffer(buffered))
    writtenCount += buffered.count
    buffered.removeAll(keepingCapacity: true)
  }
}
