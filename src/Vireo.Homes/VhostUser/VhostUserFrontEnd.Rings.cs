using System.Runtime.InteropServices;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Homes.VhostUser.Protocol;

namespace Vireo.Homes.VhostUser;

/// <content>Rings: where they are, when they run, and what announces buffers.</content>
public sealed partial class VhostUserFrontEnd
{
    /// <summary>Bit of the number that goes with a descriptor: there is none.</summary>
    private const ulong NoDescriptor = 0x100;

    /// <summary>Starts a ring and enables it.</summary>
    /// <param name="index">Which, below 256.</param>
    /// <param name="areas">Where it lies in shared memory.</param>
    /// <param name="state">Where it begins.</param>
    /// <param name="isPacked">Whether the packed layout was negotiated.</param>
    /// <param name="kick">What announces available buffers; null when the back-end is to look all the time. Stays the caller's.</param>
    /// <param name="call">What announces used buffers; null when nobody wants to be told. Stays the caller's.</param>
    /// <exception cref="Vireo.Core.Contract.DeviceException">The back-end refuses, or has gone.</exception>
    public void StartRing(
        int index,
        in QueueAreas areas,
        QueueState state,
        bool isPacked,
        SafeHandle? kick,
        SafeHandle? call
    )
    {
        VringAddress address = new()
        {
            Index = (uint)index,
            Descriptors = areas.Descriptors.Value,
            Available = areas.Driver.Value,
            Used = areas.Device.Value,
        };
        SendState(FrontEndRequest.SetRingSize, index, areas.Size);
        SendState(FrontEndRequest.SetRingBase, index, RingPosition.Encode(state, isPacked));
        Send(FrontEndRequest.SetRingAddress, Wire.Bytes(ref address), []);
        SendEvent(FrontEndRequest.SetRingCall, index, call);
        SendEvent(FrontEndRequest.SetRingKick, index, kick);
        if (HasProtocolFeatures)
        {
            SendState(FrontEndRequest.SetRingEnable, index, 1);
        }
    }

    /// <summary>Stops a ring; what is in flight is completed before the back-end answers.</summary>
    /// <param name="index">Which.</param>
    /// <param name="isPacked">Whether the packed layout was negotiated.</param>
    /// <returns>Where it stands.</returns>
    /// <exception cref="Vireo.Core.Contract.DeviceException">The back-end says nonsense, or has gone.</exception>
    public QueueState StopRing(int index, bool isPacked)
    {
        VringState state = new() { Index = (uint)index };
        SendOnly(FrontEndRequest.GetRingBase, Wire.Bytes(ref state), [], needsReply: false);
        Message answer = Receive(FrontEndRequest.GetRingBase, descriptorsMax: 0);
        if (
            !Wire.TryRead(answer.Payload, out VringState given)
            || answer.Payload.Length != Wire.SizeOf<VringState>()
            || given.Index != index
        )
        {
            throw Lost($"it was asked where ring {index} stands, and its answer is not about that");
        }

        return RingPosition.Decode(given.Number, isPacked);
    }

    private void SendState(FrontEndRequest request, int index, uint number)
    {
        VringState state = new() { Index = (uint)index, Number = number };
        Send(request, Wire.Bytes(ref state), []);
    }

    private void SendEvent(FrontEndRequest request, int index, SafeHandle? descriptor)
    {
        ulong number = (uint)index | (descriptor is null ? NoDescriptor : 0);
        ReadOnlySpan<SafeHandle> descriptors = descriptor is null ? [] : [descriptor];
        Send(request, Wire.Bytes(ref number), descriptors);
    }
}
