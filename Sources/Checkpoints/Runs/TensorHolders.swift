import Communication
import LanguageModel
import Tensors
import Topology

/// Which ranks hold which tensors, as rank 0 learns it at the start of a stream.
struct TensorHolders {
  private let ranksByTensor: [String: [Rank]]
  private let replicatedLayout: ParameterLayout

  /// Stands for all tensors that every rank holds, so that their names need not travel.
  private static let everythingReplicated = "*"

  /// Tells rank 0 what this rank holds. Every rank calls it; rank 0 gets the answer, the others nil.
  ///
  /// - Parameter takesPart: a rank that does not is counted as holding nothing.
  static func gather(
    _ layout: ParameterLayout, takesPart: Bool, over communicator: any Communicator
  ) throws(CommunicationError) -> TensorHolders? {
    let experts = layout.slots.filter { !layout.isReplicated($0) }.map(\.name)
    let names = takesPart ? [everythingReplicated] + experts : []
    let message = Array(names.joined(separator: "\n").utf8)
    guard let messages = try communicator.gatherBytes(message, at: TensorStream.leader) else { return nil }
    var ranksByTensor: [String: [Rank]] = [:]
    for (index, message) in messages.enumerated() {
      for name in message.split(separator: UInt8(ascii: "\n")) {
        ranksByTensor[String(decoding: name, as: UTF8.self), default: []].append(Rank(index))
      }
    }
    return TensorHolders(ranksByTensor: ranksByTensor, replicatedLayout: layout)
  }

  /// The ranks that take part and hold a tensor, lowest first.
  func ranks(holding name: String) -> [Rank] {
    let isReplicated = replicatedLayout.contains(name) && replicatedLayout.isReplicated(replicatedLayout.slot(name))
    return ranksByTensor[isReplicated ? Self.everythingReplicated : name] ?? []
  }
}
