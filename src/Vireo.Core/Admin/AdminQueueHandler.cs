using System.Buffers.Binary;
using Vireo.Core.Contract;
using Vireo.Core.Queues;

namespace Vireo.Core.Admin;

/// <summary>The data plane of an administration virtqueue (VIRTIO 1.4 §2.13): one command after another, each done at once.</summary>
/// <remarks>Runs on the control thread, because commands stop and start queues; so it may allocate.</remarks>
internal sealed class AdminQueueHandler(SelfGroup group) : QueueHandler
{
    /// <summary>Length of what precedes a command's own data: <c>struct virtio_admin_cmd</c>.</summary>
    public const int HeaderBytes = 24;

    /// <summary>Length of status, qualifier and reserved bytes before a result.</summary>
    public const int StatusBytes = 8;

    /// <summary>The most that is looked at of one command: more than the parts of a device with 4,096 queues.</summary>
    private const int CommandBytesMax = 512 * 1024;

    private readonly AdminAnswer _answer = new();

    /// <inheritdoc/>
    protected override void Handle(in DescriptorChain chain)
    {
        byte[] command = new byte[Math.Min(chain.ReadableBytes, CommandBytesMax)];
        ChainReader reader = chain.Reader;
        bool isRead = reader.TryCopyTo(command);
        Invariant.That(isRead);
        _answer.Begin(Math.Max(0, (long)chain.WritableBytes - StatusBytes));
        AdminOutcome outcome = Execute(new(command));
        Span<byte> status = stackalloc byte[StatusBytes];
        status.Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(status, (ushort)outcome.Status);
        BinaryPrimitives.WriteUInt16LittleEndian(status[2..], (ushort)outcome.Qualifier);
        ChainWriter writer = chain.Writer;
        Put(ref writer, status);
        if (outcome == AdminOutcome.Done)
        {
            // Both parts of a command are multiples of 8 bytes long.
            while (_answer.Bytes.Count % sizeof(ulong) != 0)
            {
                _answer.Add8(0);
            }

            Put(ref writer, _answer.Bytes.ToArray());
        }

        Complete(chain.Head, writer.Written);
    }

    /// <summary>Writes as much as there is room for.</summary>
    private static void Put(ref ChainWriter writer, scoped ReadOnlySpan<byte> bytes)
    {
        bool isWritten = writer.TryCopyFrom(bytes[..(int)Math.Min((uint)bytes.Length, writer.Remaining)]);
        Invariant.That(isWritten);
    }

    private AdminOutcome Execute(AdminData command)
    {
        const ushort SelfType = 0;
        return command.Read16(2) == SelfType
            ? group.Execute(command.Read16(0), command.Read64(16), command.From(HeaderBytes), _answer)
            : new(AdminStatus.Invalid, AdminQualifier.Group);
    }
}
