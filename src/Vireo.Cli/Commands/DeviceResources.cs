using Microsoft.Extensions.Logging;
using Vireo.Linux.Events;

namespace Vireo.Cli.Commands;

/// <summary>What a device's backend may use of the process.</summary>
/// <param name="Loops">The threads that queues run on: queue N runs on loop N.</param>
/// <param name="Logger">Where it tells what happens.</param>
internal sealed record DeviceResources(EventLoopGroup Loops, ILogger Logger);
