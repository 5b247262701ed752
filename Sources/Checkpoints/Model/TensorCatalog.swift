package import Tensors

/// The tensors of a model directory: one `model.safetensors`, or several files and the index that lists them.
package final class TensorCatalog {
  package let directory: String
  /// In the order of their names.
  package let shards: [SafetensorsFile]
  private let shardByTensor: [String: Int]

  package static let singleFileName = "model.safetensors"
  package static let indexName = "model.safetensors.index.json"
  private static let indexLimit = 256 << 20

  /// Opens a directory's tensor files and reads their headers.
  package convenience init(directory: String, files: any FileSystem) throws(CheckpointError) {
    let index = directory + "/" + Self.indexName
    if try files.kind(of: index) != nil {
      try self.init(directory: directory, index: index, files: files)
    } else if try files.kind(of: directory + "/" + Self.singleFileName) != nil {
      try self.init(directory: directory, fileNames: [Self.singleFileName], files: files)
    } else {
      throw try Self.nothingToRead(in: directory, files)
    }
  }

  private static func nothingToRead(
    in directory: String, _ files: any FileSystem
  ) throws(CheckpointError) -> CheckpointError {
    let foreign = try files.names(in: directory).first { name in
      [".bin", ".pt", ".pth", ".pkl"].contains { name.hasSuffix($0) }
    }
    guard let foreign else {
      return CheckpointError(.missing, directory, "there is neither \(singleFileName) nor \(indexName)")
    }
    return CheckpointError(
      .unsupported, directory, "\(foreign) can hold code and is not read; convert the model to \(singleFileName)")
  }

  private convenience init(directory: String, index: String, files: any FileSystem) throws(CheckpointError) {
    let placement = try Self.placement(try files.contents(of: index, limit: Self.indexLimit), path: index)
    try self.init(directory: directory, fileNames: Set(placement.values).sorted(), files: files)
    for (tensor, file) in placement.sorted(by: { $0.key < $1.key }) {
      let shard = shardByTensor[tensor].map { shards[$0].path }
      guard shard == directory + "/" + file else {
        throw CheckpointError(
          .contradiction, index, tensor: tensor, "the index places it in \(file), it is in \(shard ?? "no file")")
      }
    }
    guard placement.count == shardByTensor.count else {
      let extra = shardByTensor.keys.sorted().first { placement[$0] == nil } ?? ""
      throw CheckpointError(.contradiction, index, tensor: extra, "it is in a file but not in the index")
    }
  }

  /// Which file holds each tensor.
  package static func placement(_ bytes: [UInt8], path: String) throws(CheckpointError) -> [String: String] {
    let parsed: JSONValue
    do {
      parsed = try JSONReader.parse(bytes)
    } catch {
      throw CheckpointError(.malformed, path, "this is not valid JSON: \(error)")
    }
    guard let map = parsed.object?["weight_map"]?.object, !map.isEmpty else {
      throw CheckpointError(.malformed, path, "there is no weight_map")
    }
    var placement: [String: String] = [:]
    for (tensor, value) in map {
      guard let file = value.string, isPlainName(file), file.hasSuffix(".safetensors") else {
        throw CheckpointError(
          .malformed, path, tensor: tensor, "its file is \(value); it must be a .safetensors file in this directory")
      }
      placement[tensor] = file
    }
    return placement
  }

  private init(directory: String, fileNames: [String], files: any FileSystem) throws(CheckpointError) {
    self.directory = directory
    var shards: [SafetensorsFile] = []
    var shardByTensor: [String: Int] = [:]
    for (index, name) in fileNames.enumerated() {
      let shard = try SafetensorsFile(directory + "/" + name, files: files)
      for entry in shard.header.entries {
        if let other = shardByTensor.updateValue(index, forKey: entry.name) {
          throw CheckpointError(
            .contradiction, shard.path, tensor: entry.name, "it is also in \(shards[other].path)")
        }
      }
      shards.append(shard)
    }
    self.shards = shards
    self.shardByTensor = shardByTensor
  }

  // MARK: Contents

  package var tensorCount: Int { shardByTensor.count }
  package var names: some Collection<String> { shardByTensor.keys }
  package func contains(_ name: String) -> Bool { shardByTensor[name] != nil }

  /// The file that holds a tensor.
  package func shard(of name: String) throws(CheckpointError) -> SafetensorsFile {
    guard let index = shardByTensor[name] else {
      throw CheckpointError(.missing, directory, tensor: name, "the model needs it, but no file has it")
    }
    return shards[index]
  }

  /// Reads a whole tensor as `Float`.
  package func read(_ name: String, into values: Buffer<Float>) throws(CheckpointError) {
    try shard(of: name).read(name, into: values)
  }
}

/// Whether a name from a file stays inside the directory that it is used in.
func isPlainName(_ name: String) -> Bool {
  !name.isEmpty && name != "." && name != ".." && !name.utf8.contains(UInt8(ascii: "/")) && !name.utf8.contains(0)
}
