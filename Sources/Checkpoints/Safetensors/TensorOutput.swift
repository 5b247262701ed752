package import Tensors

/// A safetensors file at a place that the user chose: written beside it as values come, put there when it is complete.
///
/// A file that was there before stays whole until then, and for good when something fails.
package final class TensorOutput {
  private let path: String
  private let files: any FileSystem
  private let writer: SafetensorsWriter
  private var isFinished = false

  private var incompletePath: String { path + RunDirectory.incompleteSuffix }

  package init(
    _ path: String, tensors: [TensorDescription], files: any FileSystem = LocalFileSystem()
  ) throws(CheckpointError) {
    if try files.kind(of: path) == .directory {
      throw CheckpointError(.occupied, path, "this is a directory; name a file to write")
    }
    let incompletePath = path + RunDirectory.incompleteSuffix
    if try files.kind(of: incompletePath) != nil { try files.removeFile(incompletePath) }
    writer = try SafetensorsWriter(creating: incompletePath, tensors: tensors, files: files)
    self.path = path
    self.files = files
  }

  deinit { if !isFinished { try? files.removeFile(incompletePath) } }

  /// The next values of the tensors, which follow one another in name order; any number at a time.
  package func append<Element>(_ values: Buffer<Element>) throws(CheckpointError) { try writer.append(values) }

  /// Puts the complete file in its place.
  package func finish() throws(CheckpointError) {
    _ = try writer.finish()
    try files.rename(incompletePath, to: path)
    isFinished = true
    try files.syncDirectory(parentDirectory(of: path))
  }
}
