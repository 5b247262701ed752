package import Communication
package import LanguageModel
package import Tensors
import Topology

/// Continues one sequence, token by token, on any number of ranks.
///
/// Rank 0 owns the sequence: it alone has dense work, a key-value cache and logits. All ranks take part in every expert
/// layer, the others with no tokens of their own; before each pass rank 0 tells them how many tokens it has.
/// Routing is dropless: how many slots a sequence gets is not known before it ends.
package struct Generator {
  package let model: MoETransformer
  package let parameters: ParameterBuffer
  package let runtime: ModelRuntime

  package init(model: MoETransformer, parameters: ParameterBuffer, runtime: ModelRuntime) {
    self.model = model
    self.parameters = parameters
    self.runtime = runtime
  }

  /// Generates until the end token, the limit of the request or the last position; every rank calls it.
  ///
  /// - Parameters:
  ///   - request: rank 0's counts. It must be valid (``GenerationRequest/validate(_:)``).
  ///   - onToken: called on rank 0 with each new token as it is made, the end token included.
  /// - Returns: the new tokens on rank 0, nothing elsewhere.
  package func generate(
    _ request: GenerationRequest, onToken: (Int32) -> Void = { _ in }
  ) throws(CommunicationError) -> [Int32] {
    guard runtime.world.rank == Rank(0) else {
      let cache = KeyValueCache(model.configuration, capacity: 0)
      while case let tokenCount = try announce(0), tokenCount > 0 {
        try pass([], tokenLimit: tokenCount, extending: cache)
      }
      return []
    }
    let capacity = request.positionCount(model.configuration)
    let cache = KeyValueCache(model.configuration, capacity: capacity)
    let logits = Buffer<Float>(count: model.configuration.vocabularySize)
    var new: [Int32] = []
    var next = request.prompt
    while request.prompt.count + new.count < capacity && (new.isEmpty || new.last != endToken) {
      let tokenCount = try announce(next.count)
      try pass(next, tokenLimit: tokenCount, extending: cache, logits: logits)
      let token = request.sampling.token(from: logits, position: cache.count)
      onToken(token)
      new.append(token)
      next = [token]
    }
    _ = try announce(0)
    return new
  }

  private var endToken: Int32? { model.configuration.endToken.map(Int32.init) }

  /// Tells every rank what rank 0 says: how many tokens the next pass has, or 0 when there is none.
  private func announce(_ tokenCount: Int) throws(CommunicationError) -> Int {
    runtime.enter(.generate)
    let mark = runtime.workspace.mark()
    defer { runtime.workspace.release(to: mark) }
    let word = runtime.workspace.buffer(of: Int32.self, count: 1)
    word[0] = Int32(tokenCount)
    try runtime.world.broadcast(word, from: Rank(0))
    return Int(word[0])
  }

  /// One forward pass over new tokens; leaves the logits behind the last of them.
  private func pass(
    _ tokens: [Int32], tokenLimit: Int, extending cache: KeyValueCache, logits: Buffer<Float>? = nil
  ) throws(CommunicationError) {
    let workspace = runtime.workspace
    let mark = workspace.mark()
    defer { workspace.release(to: mark) }
    let ids = workspace.buffer(of: Int32.self, count: tokens.count)
    ids.copy(from: tokens)
    let hidden = workspace.tensor(tokens.count, model.configuration.hiddenSize)
    try model.extend(cache, with: ids, tokenLimit: tokenLimit, into: hidden, parameters, on: runtime)
    guard let logits else { return }
    model.logits(
      hidden[rows: tokens.count - 1..<tokens.count], into: Tensor(logits, shape: Shape(rows: 1, columns: logits.count)),
      parameters, on: runtime)
  }
}
