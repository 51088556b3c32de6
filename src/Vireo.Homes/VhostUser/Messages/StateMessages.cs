using Vireo.Core.Contract;
using Vireo.Homes.Peers;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux;
using Vireo.Linux.Files;

namespace Vireo.Homes.VhostUser.Messages;

/// <summary>The device's own state, for migrations.</summary>
internal static class StateMessages
{
    /// <summary>Bit of the answer: no descriptor comes with it; the front-end's own is used.</summary>
    private const ulong NoDescriptor = 0x100;

    /// <summary>Number in the answer: it cannot be done.</summary>
    private const ulong Failure = 1;

    /// <summary>The messages of this group.</summary>
    public static MessageKind[] All =>
        [
            new(
                FrontEndRequest.SetDeviceStateDescriptor,
                "SET_DEVICE_STATE_FD",
                MessageForm.Of<DeviceStateTransfer>().With(1, 1),
                Begin
            )
            {
                Feature = ProtocolFeature.DeviceState,
                HasReply = true,
            },
            new(FrontEndRequest.CheckDeviceState, "CHECK_DEVICE_STATE", MessageForm.Empty, Check)
            {
                Feature = ProtocolFeature.DeviceState,
                HasReply = true,
            },
        ];

    private static void Begin(VhostUserSession session, Message message)
    {
        DeviceStateTransfer transfer = message.Read<DeviceStateTransfer>();
        if (transfer.Direction > DeviceStateTransfer.Load)
        {
            throw new ProtocolException($"direction {transfer.Direction}, where 0 (save) or 1 (load) was expected");
        }

        bool isPossible = transfer.Phase == DeviceStateTransfer.Stopped && !session.Lifecycle.HasRunningQueue;
        session.Reply(NoDescriptor | (isPossible && TryBegin(session, message, transfer) ? 0 : Failure));
    }

    private static bool TryBegin(VhostUserSession session, Message message, DeviceStateTransfer transfer)
    {
        var device = (IStatefulDevice)session.Lifecycle.Device;
        DescriptorStream? stream = null;
        try
        {
            stream = DescriptorStream.Wrap(message.TakeDescriptor(0));
            session.ReplaceTransfer(
                transfer.Direction == DeviceStateTransfer.Save
                    ? StateTransfer.Save(device, stream, session.Control)
                    : StateTransfer.Load(device, stream, session.Control)
            );
            return true;
        }
        catch (Exception exception) when (exception is LinuxException or DeviceException)
        {
            stream?.Dispose();
            session.Explain("SET_DEVICE_STATE_FD", exception.Message);
            return false;
        }
    }

    private static void Check(VhostUserSession session, Message message)
    {
        StateTransfer transfer =
            session.Transfer ?? throw new ProtocolException("no transfer of the device's state was begun");
        // The end of a state to be loaded may still be on its way; the answer waits for it, and we do not.
        transfer.WhenEnded(isGood =>
        {
            if (!isGood)
            {
                session.Explain("CHECK_DEVICE_STATE", transfer.Failure);
            }

            session.Reply(FrontEndRequest.CheckDeviceState, isGood ? 0 : Failure);
        });
    }
}
