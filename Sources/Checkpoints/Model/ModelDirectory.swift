package import LanguageModel
package import Tensors

/// A Hugging Face model directory, open for reading: `config.json`, safetensors files and perhaps `tokenizer.json`.
package final class ModelDirectory {
  package let path: String
  package let configuration: ModelConfiguration
  package let catalog: TensorCatalog
  private let files: any FileSystem

  package static let configurationName = "config.json"
  package static let generationConfigurationName = "generation_config.json"
  package static let tokenizerName = "tokenizer.json"
  private static let configurationLimit = 16 << 20
  private static let tokenizerLimit = 256 << 20

  /// Opens a directory and checks that its configuration and its tensors' names and shapes fit together.
  package init(_ path: String, files: any FileSystem = LocalFileSystem()) throws(CheckpointError) {
    let configurationPath = path + "/" + Self.configurationName
    configuration = try ConfigurationReader.read(
      try files.contents(of: configurationPath, limit: Self.configurationLimit), path: configurationPath)
    catalog = try TensorCatalog(directory: path, files: files)
    self.path = path
    self.files = files
    try checkTensors()
  }

  /// The content of `tokenizer.json`; nil when there is none.
  package func tokenizer() throws(CheckpointError) -> [UInt8]? {
    let path = path + "/" + Self.tokenizerName
    guard try files.kind(of: path) != nil else { return nil }
    return try files.contents(of: path, limit: Self.tokenizerLimit)
  }

  /// Reads the tensors of a rank's layout, and no other bytes.
  package func loadParameters(into parameters: ParameterBuffer) throws(CheckpointError) {
    for slot in parameters.layout.slots { try catalog.read(slot.name, into: parameters.values[slot.range]) }
  }

  // MARK: Checks

  private func checkTensors() throws(CheckpointError) {
    try checkCount()
    let expected = ModelLayout.whole(configuration)
    for slot in expected.slots {
      let shard = try catalog.shard(of: slot.name)
      let entry = try shard.entry(slot.name)
      try ElementConversion.requireFloat(entry, path: shard.path)
      guard entry.shape == slot.shape.dimensions else {
        throw CheckpointError(
          .contradiction, shard.path, tensor: slot.name,
          "its shape is \(entry.shape), \(Self.configurationName) asks for \(slot.shape)")
      }
    }
    try checkExtraTensors(expected)
  }

  /// A configuration that asks for absurdly many tensors is refused before their names are made.
  private func checkCount() throws(CheckpointError) {
    let expertLayers = (configuration.layerCount - 1) / configuration.expertLayerInterval + 1
    let experts = 3 * expertLayers * configuration.expertCount
    guard experts <= catalog.tensorCount + 1000 else {
      throw CheckpointError(
        .contradiction, path,
        "\(Self.configurationName) asks for \(experts) tensors of experts, "
          + "the files hold \(catalog.tensorCount) tensors"
      )
    }
  }

  private func checkExtraTensors(_ expected: ParameterLayout) throws(CheckpointError) {
    for name in catalog.names.sorted() where !expected.contains(name) {
      let shard = try catalog.shard(of: name)
      guard configuration.tiesEmbeddings && name == ParameterNames.outputHead else {
        throw CheckpointError(
          .contradiction, shard.path, tensor: name, "\(Self.configurationName) describes a model without it")
      }
      try checkTiedHead(in: shard)
    }
  }

  /// A tied model may store its output head again; then it is the embedding table.
  private func checkTiedHead(in shard: SafetensorsFile) throws(CheckpointError) {
    let head = try shard.entry(ParameterNames.outputHead)
    let tableShard = try catalog.shard(of: ParameterNames.embedding)
    let table = try tableShard.entry(ParameterNames.embedding)
    try ElementConversion.requireFloat(head, path: shard.path)
    func contradiction(_ message: String) -> CheckpointError {
      CheckpointError(.contradiction, shard.path, tensor: head.name, message)
    }
    guard head.shape == table.shape else {
      throw contradiction("its shape is \(head.shape), the embedding table it is tied to has \(table.shape)")
    }
    let pieceCount = SafetensorsFile.pieceByteCount / MemoryLayout<Float>.stride
    for first in stride(from: 0, to: head.elementCount, by: pieceCount) {
      let range = first..<min(first + pieceCount, head.elementCount)
      let headPiece = Buffer<Float>(count: range.count)
      let tablePiece = Buffer<Float>(count: range.count)
      try shard.read(head.name, elements: range, into: headPiece)
      try tableShard.read(table.name, elements: range, into: tablePiece)
      guard headPiece.elements.elementsEqual(tablePiece.elements, by: { $0.bitPattern == $1.bitPattern }) else {
        throw contradiction("tie_word_embeddings is true, but it differs from the embedding table")
      }
    }
  }
}
