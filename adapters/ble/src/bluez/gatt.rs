//! The reader's GATT service: what centrals write and read becomes requests, in one queue.

use bluer::gatt::local::{
    Application, Characteristic, CharacteristicNotifier, CharacteristicNotify,
    CharacteristicNotifyMethod, CharacteristicRead, CharacteristicWrite, CharacteristicWriteMethod,
    ReqError, Service,
};
use bluer::{Address, Uuid};
use futures_util::FutureExt as _;
use gettone_channel::{GATT_SERVICE, ServiceUuid, TO_PHONE, TO_READER};
use tokio::sync::{mpsc, oneshot};

/// What a central does. Whoever answers late or never has BlueZ tell the central that it failed.
pub(super) enum Request {
    Write {
        central: Address,
        mtu: u16,
        value: Vec<u8>,
        answer: oneshot::Sender<Result<(), ReqError>>,
    },
    Read {
        central: Address,
        offset: usize,
        answer: oneshot::Sender<Result<Vec<u8>, ReqError>>,
    },
    /// BlueZ does not say who; it has acknowledged the subscription already.
    Subscribe(CharacteristicNotifier),
}

/// The service of protocol section 4, without pairing: what crosses it is sealed.
pub(super) fn application(requests: &mpsc::Sender<Request>) -> Application {
    Application {
        services: vec![Service {
            uuid: uuid(GATT_SERVICE),
            primary: true,
            characteristics: vec![to_reader(requests.clone()), to_phone(requests)],
            ..Service::default()
        }],
        ..Application::default()
    }
}

pub(super) const fn uuid(uuid: ServiceUuid) -> Uuid {
    Uuid::from_bytes(*uuid.as_bytes())
}

// Neither characteristic uses BlueZ's sockets (AcquireWrite, AcquireNotify): those do not say who
// writes, and keep the MTU of the moment they were opened at.
fn to_reader(requests: mpsc::Sender<Request>) -> Characteristic {
    Characteristic {
        uuid: uuid(TO_READER),
        write: Some(CharacteristicWrite {
            write: true,
            method: CharacteristicWriteMethod::Fun(Box::new(move |value, request| {
                let requests = requests.clone();
                async move {
                    // Every value fits one write: a long write is no phone of ours.
                    if request.offset != 0 {
                        return Err(ReqError::InvalidOffset);
                    }
                    let (answer, answered) = oneshot::channel();
                    let write = Request::Write {
                        central: request.device_address,
                        mtu: request.mtu,
                        value,
                        answer,
                    };
                    requests.send(write).await.map_err(|_| ReqError::Failed)?;
                    answered.await.map_err(|_| ReqError::Failed)?
                }
                .boxed()
            })),
            ..CharacteristicWrite::default()
        }),
        ..Characteristic::default()
    }
}

fn to_phone(requests: &mpsc::Sender<Request>) -> Characteristic {
    let (reads, subscriptions) = (requests.clone(), requests.clone());
    Characteristic {
        uuid: uuid(TO_PHONE),
        read: Some(CharacteristicRead {
            read: true,
            fun: Box::new(move |request| {
                let requests = reads.clone();
                async move {
                    let (answer, answered) = oneshot::channel();
                    let read = Request::Read {
                        central: request.device_address,
                        offset: usize::from(request.offset),
                        answer,
                    };
                    requests.send(read).await.map_err(|_| ReqError::Failed)?;
                    answered.await.map_err(|_| ReqError::Failed)?
                }
                .boxed()
            }),
            ..CharacteristicRead::default()
        }),
        notify: Some(CharacteristicNotify {
            notify: true,
            method: CharacteristicNotifyMethod::Fun(Box::new(move |notifier| {
                let requests = subscriptions.clone();
                async move {
                    // Without a radio side there is nobody to notify.
                    let _ = requests.send(Request::Subscribe(notifier)).await;
                }
                .boxed()
            })),
            ..CharacteristicNotify::default()
        }),
        ..Characteristic::default()
    }
}
