/// What a complete checkpoint consists of. The manifest is the last file written before a checkpoint gets its name.
///
/// A checkpoint counts as complete when its manifest describes exactly what is there, not because of a name or a
/// marker: so it survives being copied, and half a copy is recognised.
package struct CheckpointManifest: Hashable, Sendable {
  static let fileName = "switchyard_manifest.json"
  private static let version = 1
  private static let sizeLimit = 16 << 20

  package let step: Int
  package let files: [String: FileSummary]

  // MARK: Its file

  package var encoded: [UInt8] {
    let entries = files.mapValues { JSONValue.object(["bytes": .integer($0.size), "xxh64": .string($0.digest)]) }
    let document: JSONValue = [
      "version": .integer(Self.version), "step": .integer(step), "files": .object(entries),
    ]
    return Array(document.indented.utf8)
  }

  init(step: Int, files: [String: FileSummary]) {
    self.step = step
    self.files = files
  }

  /// Reads a checkpoint's manifest.
  init(in directory: String, _ system: any FileSystem) throws(CheckpointError) {
    let path = directory + "/" + Self.fileName
    try self.init(json: try system.contents(of: path, limit: Self.sizeLimit), path: path)
  }

  /// Reads a manifest's content.
  package init(json: [UInt8], path: String) throws(CheckpointError) {
    func malformed(_ message: String) -> CheckpointError { CheckpointError(.malformed, path, message) }
    let document: JSONValue
    do {
      document = try JSONReader.parse(json)
    } catch {
      throw malformed("this is not valid JSON: \(error)")
    }
    guard let members = document.object, members["version"]?.integer == Self.version else {
      throw malformed("this is no manifest of version \(Self.version)")
    }
    guard let step = members["step"]?.integer, let entries = members["files"]?.object else {
      throw malformed("step or files are missing")
    }
    var files: [String: FileSummary] = [:]
    for (name, entry) in entries {
      guard isPlainName(name), let size = entry.object?["bytes"]?.integer,
        let digest = entry.object?["xxh64"]?.string
      else { throw malformed("the entry for \(name) is incomplete") }
      files[name] = FileSummary(size: size, digest: digest)
    }
    self.init(step: step, files: files)
  }

  // MARK: Comparing it with what is there

  /// Checks that every file is there with its size and digest.
  ///
  /// - Parameter withData: the tensors' own digests too, which are otherwise checked when they are read.
  func verify(in directory: String, _ system: any FileSystem, withData: Bool) throws(CheckpointError) {
    for (name, expected) in files.sorted(by: { $0.key < $1.key }) {
      let path = directory + "/" + name
      let found = try FileSummary(of: path, expectedSize: expected.size, system, withData: withData)
      guard found == expected else {
        throw CheckpointError(
          .damaged, path,
          "it has \(found.size) bytes and digest \(found.digest), the manifest says \(expected.size) and "
            + "\(expected.digest)")
      }
    }
  }
}

extension FileSummary {
  /// The summary of a file that is there.
  fileprivate init(
    of path: String, expectedSize: Int, _ system: any FileSystem, withData: Bool
  ) throws(CheckpointError) {
    if path.hasSuffix(".safetensors") {
      let file = try SafetensorsFile(path, files: system)
      if withData { try file.verify() }
      self.init(size: file.size, digest: file.headerDigest)
    } else {
      let content = try system.contents(of: path, limit: expectedSize)
      self.init(content)
    }
  }

  /// The summary of a file with this content.
  init(_ content: [UInt8]) { self.init(size: content.count, digest: Digest(of: content).hexadecimal) }
}
