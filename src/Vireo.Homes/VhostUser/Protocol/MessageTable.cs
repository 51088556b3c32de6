using System.Diagnostics.CodeAnalysis;
using Vireo.Core;
using Vireo.Homes.VhostUser.Messages;

namespace Vireo.Homes.VhostUser.Protocol;

/// <summary>All messages of the front-end that the home knows, by number.</summary>
internal static class MessageTable
{
    private static readonly MessageKind?[] Kinds = Collect([
        FeatureMessages.All,
        MemoryMessages.All,
        RingMessages.All,
        DeviceMessages.All,
        LogMessages.All,
        InflightMessages.All,
        IotlbMessages.All,
        StateMessages.All,
        PostcopyMessages.All,
        SpecialMessages.All,
    ]);

    /// <summary>All of them, by ascending number; for tests and tools.</summary>
    public static IEnumerable<MessageKind> All
    {
        get
        {
            foreach (MessageKind? kind in Kinds)
            {
                if (kind is not null)
                {
                    yield return kind;
                }
            }
        }
    }

    /// <summary>Finds a message.</summary>
    /// <returns>False when the home does not know it.</returns>
    public static bool TryFind(uint request, [NotNullWhen(true)] out MessageKind? kind)
    {
        kind = request < (uint)Kinds.Length ? Kinds[request] : null;
        return kind is not null;
    }

    private static MessageKind?[] Collect(ReadOnlySpan<MessageKind[]> groups)
    {
        var kinds = new MessageKind?[(int)FrontEndRequest.GetRingBaseSkipDrain + 1];
        foreach (MessageKind[] group in groups)
        {
            foreach (MessageKind kind in group)
            {
                Invariant.That(kinds[(int)kind.Request] is null);
                Invariant.That(kind.Form.PayloadMax <= Message.PayloadBytesMax);
                kinds[(int)kind.Request] = kind;
            }
        }

        return kinds;
    }
}
