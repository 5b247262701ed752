package import Communication

/// What rank 0 tells the others about the model it found: everything but the tensors.
package struct FoundModel {
  package let path: String
  private(set) var step: Int?
  private(set) var notices: [String] = []
  private(set) var fingerprint = ""
  private(set) var configuration: [UInt8] = []
  private(set) var tokenizer: [UInt8]?
  private(set) var trainerState: [UInt8]?

  private static let fileLimit = 256 << 20

  init(_ checkpoint: RunDirectory.Checkpoint) {
    path = checkpoint.path
    step = checkpoint.step
    notices = checkpoint.passedOver.map { "a newer checkpoint was passed over: \($0)" }
  }

  private init(path: String) { self.path = path }

  /// A model directory at a path, or the newest checkpoint of a run there.
  static func locate(
    _ path: String, before limit: Int, _ files: any FileSystem
  ) throws(CheckpointError) -> FoundModel {
    switch try files.kind(of: path) {
    case nil: throw CheckpointError(.missing, path, "there is no such directory")
    case .file, .other: throw CheckpointError(.missing, path, "this is no directory; name the model's directory")
    case .directory: break
    }
    if try files.kind(of: path + "/" + ModelDirectory.configurationName) != nil { return FoundModel(path: path) }
    guard let checkpoint = try RunDirectory(path, files: files).newestCheckpoint(before: limit) else {
      throw CheckpointError(
        .missing, path, "there is neither \(ModelDirectory.configurationName) nor a complete checkpoint-STEP in it")
    }
    return FoundModel(checkpoint)
  }

  mutating func readSmallFiles(
    _ opened: ModelFiles, withTrainingState: Bool, _ files: any FileSystem
  ) throws(CheckpointError) {
    fingerprint = opened.fingerprint
    tokenizer = try opened.directory.tokenizer()
    configuration = try files.contents(
      of: path + "/" + ModelDirectory.configurationName, limit: Self.fileLimit)
    guard withTrainingState else { return }
    trainerState = try files.contents(of: path + "/" + TrainingStateNames.state, limit: Self.fileLimit)
  }

  // MARK: The form in which it travels

  /// A JSON description and the files' contents.
  package var parts: [[UInt8]] {
    let description: JSONValue = [
      "path": .string(path), "step": step.map { .integer($0) } ?? .null, "fingerprint": .string(fingerprint),
      "notices": .array(notices.map { .string($0) }), "has_tokenizer": .boolean(tokenizer != nil),
      "has_trainer_state": .boolean(trainerState != nil),
    ]
    return [Array(description.description.utf8), configuration, tokenizer ?? [], trainerState ?? []]
  }

  private static let partCount = 4

  package init(parts: [[UInt8]]) throws(Refusal) {
    guard parts.count == Self.partCount else {
      throw Refusal(.protocolViolation, "rank 0 described its model in \(parts.count) parts, not \(Self.partCount)")
    }
    let description: JSONValue
    do {
      description = try JSONReader.parse(parts[0])
    } catch {
      throw Refusal(.protocolViolation, "rank 0's description of its model is not valid JSON: \(error)")
    }
    path = description.object?["path"]?.string ?? ""
    step = description.object?["step"]?.integer
    fingerprint = description.object?["fingerprint"]?.string ?? ""
    notices = description.object?["notices"]?.array?.compactMap(\.string) ?? []
    configuration = parts[1]
    tokenizer = description.object?["has_tokenizer"] == true ? parts[2] : nil
    trainerState = description.object?["has_trainer_state"] == true ? parts[3] : nil
  }
}
